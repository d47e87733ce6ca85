"""A portal in a thread: the real protocol over real HTTP, with its own keys, and able to misbehave.

It also judges: `admitted` holds only batches whose manifest, bytes and times fit a policy that it
issued, and everything it was ever sent is in `requests`.
"""

import hashlib
import json
import threading
import time
import urllib.parse
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sayso_agent.jws import KeySet, b64url, sign, verify

Answer = tuple[int, dict[str, str], bytes]


def policy_document(**changes: Any) -> dict[str, Any]:
    """The parts of a policy that do not depend on the moment."""
    document = {
        "v": 1,
        "poll_after": 30,
        "default": {"decision": "deny", "reasons": ["app_not_allowlisted"]},
        "apps": {
            "tracker": {
                "name": "Tracker",
                "category": "tracker",
                "matchers": [{"platform": "web", "kind": "domain", "value": "tracker.example.com"}],
            },
            "expenses": {
                "name": "Expenses",
                "category": "finance",
                "matchers": [
                    {"platform": "web", "kind": "domain", "value": "expenses.example.com"}
                ],
            },
            "people": {
                "name": "People",
                "category": "hr",
                "matchers": [{"platform": "web", "kind": "domain", "value": "hr.example.com"}],
            },
        },
        "allow": [
            {
                "purpose": "train-agents",
                "app": "tracker",
                "signals": ["mouse_click", "scroll"],
                "retention_days": 30,
            }
        ],
        "deny": [
            {
                "purpose": "train-agents",
                "apps": ["tracker"],
                "signals": ["mouse_move"],
                "reasons": ["signal_not_consented"],
            }
        ],
        "never": {
            "categories": ["hr", "health"],
            "signals": ["secure_input"],
            "matchers": [
                {"platform": "macos", "kind": "bundle_id", "value": "com.1password.1password"}
            ],
        },
        "paused": False,
        "limits": {"batch_bytes": 5_000_000, "batch_seconds": 900},
    }
    return {**document, **changes}


def allow(app: str, *signals: str, purpose: str = "train-agents") -> dict[str, Any]:
    return {"purpose": purpose, "app": app, "signals": list(signals), "retention_days": 30}


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakePortal:
    """Set `policy` and `version` to change what agents get; put answers in `misbehave`."""

    policy: dict[str, Any] = field(default_factory=policy_document)
    version: int = 1000
    lease: int = 900
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    kid: str = "k1"
    requests: list[Seen] = field(default_factory=list)
    misbehave: dict[str, list[Answer]] = field(default_factory=dict)  # path -> answers to come
    always: dict[str, Answer] = field(default_factory=dict)  # path -> answer from now on
    acknowledgements: list[dict[str, Any]] = field(default_factory=list)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    admitted: dict[str, bytes] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)  # answers of the device flow to come
    agent: str = ""
    agent_key: bytes = b""
    token: str = "sat_" + "a" * 43
    etags: bool = False
    now: Any = time.time
    extra_headers: dict[str, str] = field(default_factory=dict)
    pauses: int = 0
    strikes: dict[str, dict[str, Any]] = field(default_factory=dict)
    issued: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def __enter__(self) -> "FakePortal":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def payload(self, **changes: Any) -> dict[str, Any]:
        """The policy of this moment."""
        iat = int(self.now())
        moment = {"iss": self.url, "aud": self.agent, "version": self.version, "iat": iat}
        return {**self.policy, **moment, "lease_until": iat + self.lease, **changes}

    def signed(self, payload: dict[str, Any], **header: str) -> bytes:
        head = {"kid": self.kid, "typ": "policy+jwt", **header}
        return sign(payload, self.key, **head).encode()

    def withdraw(self, reason: str = "consent_withdrawn") -> None:
        """What a click on the page does."""
        self.version += 1
        denial = {"purpose": "train-agents", "reasons": [reason]}
        self.policy = {**self.policy, "allow": [], "deny": [denial]}

    def paths(self, method: str) -> list[str]:
        return [seen.path for seen in self.requests if seen.method == method]

    def events(self) -> list[dict[str, Any]]:
        """All events of all batches admitted."""
        return [json.loads(line) for data in self.admitted.values() for line in data.splitlines()]

    def wire(self) -> bytes:
        """Everything an agent ever sent in a body."""
        return b"\n".join(seen.body for seen in self.requests)

    # --- answers -------------------------------------------------------------------------------

    def answer(self, seen: Seen) -> Answer:
        self.requests.append(seen)
        path = urllib.parse.urlsplit(seen.path).path
        if self.misbehave.get(path):
            return self.misbehave[path].pop(0)
        if path in self.always:
            return self.always[path]
        if path.startswith("/api/v1/batches/"):
            return self._bytes(path.split("/")[4], seen)
        match seen.method, path:
            case "POST", "/identity/o/api/device/code":
                return self._device(seen)
            case "POST", "/identity/o/api/token":
                return self._token(seen)
            case "POST", "/api/v1/agents":
                return self._register(seen)
            case "GET", "/.well-known/sayso-policy-keys.json":
                return reply(200, self.jwks())
            case "GET", "/api/v1/policy":
                return self._policy(seen)
            case "POST", "/api/v1/policy/ack":
                return self._ack(seen)
            case "POST", "/api/v1/pauses":
                return self._pause(seen)
            case "POST", "/api/v1/strikes":
                return self._strike(seen)
            case "POST", "/api/v1/batches":
                return self._manifest(seen)
        return problem(404, "not_found")

    def jwks(self) -> dict[str, Any]:
        x = b64url(self.key.public_key().public_bytes_raw())
        kind = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA"}
        return {"keys": [{**kind, "kid": self.kid, "x": x}]}

    def _device(self, seen: Seen) -> Answer:
        assert urllib.parse.parse_qs(seen.body.decode())["client_id"] == ["sayso-agent"]
        address = f"{self.url}/device"
        return reply(
            200,
            {
                "device_code": "device-secret",
                "user_code": "ABCD-EFGH",
                "verification_uri": address,
                "verification_uri_complete": f"{address}?code=ABCD-EFGH",
                "expires_in": 60,
                "interval": 0.1,
            },
        )

    def _token(self, seen: Seen) -> Answer:
        form = urllib.parse.parse_qs(seen.body.decode())
        assert form["device_code"] == ["device-secret"]
        if self.pending:
            return reply(400, {"error": self.pending.pop(0)})
        return reply(200, {"access_token": "at_secret", "token_type": "Bearer"})

    def _register(self, seen: Seen) -> Answer:
        if seen.headers.get("authorization") != "Bearer at_secret":
            return problem(401, "unknown_token")
        body = json.loads(seen.body)
        raw = Ed25519PublicKey.from_public_bytes(_b64(body["public_key"])).public_bytes_raw()
        head, claims, signature = body["proof"].split(".")
        header = json.loads(_b64(head))
        assert header == {"alg": "EdDSA", "typ": "agent-proof+jwt"}
        Ed25519PublicKey.from_public_bytes(raw).verify(_b64(signature), f"{head}.{claims}".encode())
        proof = json.loads(_b64(claims))
        assert proof["aud"] == self.url
        assert proof["ath"] == b64url(hashlib.sha256(b"at_secret").digest())
        assert abs(proof["iat"] - time.time()) < 60
        self.agent, self.agent_key = str(uuid.uuid4()), raw
        return reply(201, {"agent": self.agent, "token": self.token, **self.addresses()})

    def addresses(self) -> dict[str, str]:
        return {
            "issuer": self.url,
            "policy_url": f"{self.url}/api/v1/policy",
            "ack_url": f"{self.url}/api/v1/policy/ack",
            "batches_url": f"{self.url}/api/v1/batches",
            "jwks_url": f"{self.url}/.well-known/sayso-policy-keys.json",
        }

    def _known(self, seen: Seen) -> bool:
        return seen.headers.get("authorization") == f"Bearer {self.token}"

    def _policy(self, seen: Seen) -> Answer:
        if not self._known(seen):
            return problem(401, "agent_unknown")
        payload = self.payload()
        etag = f'"{payload["version"]}"'
        if self.etags and seen.headers.get("if-none-match") == etag:
            return 304, {"ETag": etag}, b""
        self.issued.setdefault(self.version, []).append(payload)
        headers = {"Content-Type": "application/policy+jwt", "ETag": etag, **self.extra_headers}
        return 200, headers, self.signed(payload)

    def _ack(self, seen: Seen) -> Answer:
        if not self._known(seen):
            return problem(401, "agent_unknown")
        self.acknowledgements.append(json.loads(seen.body))
        return 204, {}, b""

    def _pause(self, seen: Seen) -> Answer:
        if not self._known(seen):
            return problem(401, "agent_unknown")
        self.pauses += 1
        after = self.version
        self.version += 1
        self.policy = {**self.policy, "paused": True}
        return reply(200, {"after_version": after})

    def resume(self) -> None:
        """What a click on Resume does."""
        self.version += 1
        self.policy = {**self.policy, "paused": False}

    def _strike(self, seen: Seen) -> Answer:
        if not self._known(seen):
            return problem(401, "agent_unknown")
        body = json.loads(seen.body)
        self.strikes[body["strike"]] = body
        return 204, {}, b""

    def _manifest(self, seen: Seen) -> Answer:
        if not self._known(seen):
            return problem(401, "agent_unknown")
        body = json.loads(seen.body)
        batch = body["batch"]
        if batch in self.manifests:
            if self.manifests[batch] != body:
                return problem(409, "batch_differs")
            return reply(200, self._state(batch))
        if reasons := self._objections(body):
            return problem(422, "batch_refused", reasons=reasons)
        self.manifests[batch] = body
        return reply(201, self._state(batch))

    def _state(self, batch: str) -> dict[str, Any]:
        if batch in self.admitted:
            return {"batch": batch, "state": "admitted"}
        url = f"{self.url}/api/v1/batches/{batch}/bytes"
        return {"batch": batch, "state": "awaiting_bytes", "upload_url": url}

    def _objections(self, body: dict[str, Any]) -> list[str]:
        """What admission checks: the one policy issued for that time permits all of it."""
        found = self.issued.get(body["policy_version"])
        if found is None:
            return ["policy_version_unknown"]
        reasons = []
        start, end = (datetime.fromisoformat(body[k]).timestamp() for k in ("from", "until"))
        payload = found[-1]
        if not any(p["iat"] <= start < end <= p["lease_until"] for p in found):
            reasons.append("outside_lease")
        if end - start > payload["limits"]["batch_seconds"]:
            reasons.append("too_long")
        if body["bytes"] > payload["limits"]["batch_bytes"]:
            reasons.append("too_large")
        permitted = {
            signal
            for entry in payload["allow"]
            if (entry["purpose"], entry["app"]) == (body["purpose"], body["app"])
            for signal in entry["signals"]
        }
        present = {
            signal
            for entry in self.policy["allow"]
            if (entry["purpose"], entry["app"]) == (body["purpose"], body["app"])
            for signal in entry["signals"]
        }
        if not set(body["signals"]) <= permitted & present:
            reasons.append("signal_not_allowed")
        return reasons

    def _bytes(self, batch: str, seen: Seen) -> Answer:
        if not self._known(seen) or batch not in self.manifests:
            return problem(404, "batch_unknown")
        body = self.manifests[batch]
        if batch in self.admitted:
            return reply(200, self._state(batch))
        wrong_size = len(seen.body) != body["bytes"]
        if wrong_size or hashlib.sha256(seen.body).hexdigest() != body["sha256"]:
            return problem(422, "bytes_do_not_match")
        if reasons := self._objections(body):
            return problem(422, "batch_refused", reasons=reasons)
        lines = [json.loads(line) for line in seen.body.splitlines()]
        start, end = (datetime.fromisoformat(body[k]).timestamp() for k in ("from", "until"))
        assert all(start - 0.0005 <= line["t"] < end for line in lines), body
        self.admitted[batch] = seen.body
        return reply(201, self._state(batch))

    def verified_agent_key(self) -> KeySet:
        return KeySet({"agent": self.agent_key})


def _b64(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def reply(status: int, value: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def problem(status: int, code: str, *, retry_after: int | None = None, **more: Any) -> Answer:
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    value = {"type": "about:blank", "title": code, "status": status, "code": code, **more}
    return status, headers, json.dumps(value).encode()


TRUNCATED = {"X-Truncate": "1"}
SLOW = {"X-Slow": "1"}


def _handler(portal: FakePortal) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, sent, data = portal.answer(Seen(self.command, self.path, headers, body))
            self.send_response(status)
            for name, value in sent.items():
                self.send_header(name, value)
            if status not in {204, 304}:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if "X-Truncate" in sent:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif "X-Slow" in sent:
                self._drip(data)
            else:
                with suppress(OSError):  # an agent that has heard enough hangs up
                    self.wfile.write(data)

        def _drip(self, data: bytes) -> None:
            try:
                for i in range(len(data)):
                    self.wfile.write(data[i : i + 1])
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PUT = _serve  # noqa: N815  the base class wants these names

        def log_message(self, *_: object) -> None:
            pass

    return Handler


__all__ = ["FakePortal", "allow", "policy_document", "problem", "reply", "verify"]
