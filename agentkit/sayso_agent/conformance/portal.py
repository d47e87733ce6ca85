"""A portal in a thread: the real protocol over real HTTP, with its own keys, and able to misbehave.

It also judges: `admitted` holds only batches whose manifest, bytes and times fit a policy that it
issued, and everything it was ever sent is in `requests`.
"""

import hashlib
import json
import threading
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import ThreadingHTTPServer
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sayso_agent.conformance import published
from sayso_agent.conformance.bucket import FakeBucket
from sayso_agent.conformance.holding import Holding
from sayso_agent.conformance.judging import objections
from sayso_agent.conformance.proofs import listed, proves, vouched
from sayso_agent.conformance.sample import allow, policy_document
from sayso_agent.conformance.wire import SLOW, TRUNCATED, Answer, Seen, handler, problem, reply
from sayso_agent.jws import b64url_decode, sign
from sayso_agent.manifest import TYPE as MANIFEST
from sayso_agent.manifest import thumbprint

__all__ = [
    "AGENT",
    "SLOW",
    "TRUNCATED",
    "FakePortal",
    "Seen",
    "allow",
    "policy_document",
    "problem",
    "reply",
]

AGENT: Final = "7d1f6f0e-6a3c-4a43-8a38-0b6a2f6f7a11"


@dataclass
class FakePortal(Holding):
    """Set `policy` and `version` to change what agents get; put answers in `misbehave`.

    `document` makes the body of a poll's answer instead of the proper one; `frozen` repeats the
    last document for ever; `always` and `misbehave` answer a path without any look at the request.
    `twist` has the last word on every answer, when what was asked for is done.
    """

    lease: int = 900
    aged: int = 0  # how long before its answer a document was signed, in seconds
    date_lag: float = 0.0  # how far `Date` is behind, as where it is written once a second
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    kid: str = "k1"
    root: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    manifest: dict[str, Any] = field(default_factory=lambda: {"version": 1})
    requests: list[Seen] = field(default_factory=list)
    misbehave: dict[str, list[Answer]] = field(default_factory=dict)  # path -> answers to come
    always: dict[str, Answer] = field(default_factory=dict)  # path -> answer from now on
    acknowledgements: list[dict[str, Any]] = field(default_factory=list)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    admitted: dict[str, bytes] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)  # answers of the device flow to come
    agent: str = AGENT
    agent_key: bytes = b""
    next_agent_key: bytes = b""  # planned, until it is first used
    token: str = "sat_" + "a" * 43
    next_token: str = ""  # pending
    ended: str = ""  # known, but good for nothing but another token
    given_up: set[str] = field(default_factory=set)
    rotate_after: int = 0
    change_key_after: int = 0
    waits: dict[str, str] = field(default_factory=dict)  # what a machine with a ticket hears more
    etags: bool = False
    extra_headers: dict[str, str] = field(default_factory=dict)
    strikes: dict[str, dict[str, Any]] = field(default_factory=dict)
    issuer: str = ""
    bucket: FakeBucket | None = None  # agents bring their bytes there
    document: Callable[["FakePortal"], bytes] | None = None
    twist: Callable[[Seen, Answer], Answer] | None = None
    frozen: bool = False
    recovered: bool = False  # slow answers are broken off
    takes_all: bool = False  # refuses no batch, so that what an agent gives away is seen
    refused: list[str] = field(default_factory=list)  # why batches were refused
    _last: bytes = b""
    issued: dict[int, dict[str, Any]] = field(default_factory=dict)
    _documents: dict[int, tuple[bytes, int, bytes]] = field(default_factory=dict)
    _issuing: Any = field(default_factory=threading.Lock)

    def __enter__(self) -> "FakePortal":
        self._server = ThreadingHTTPServer(
            # Looked up each time: a test may put another answer in its place.
            ("127.0.0.1", 0),
            handler(
                lambda seen: self.answer(seen),  # noqa: PLW0108
                lambda: self.recovered,
                lambda: float(self.now()) - self.date_lag,
            ),
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def payload(self, **changes: Any) -> dict[str, Any]:
        """Return the policy of this moment."""
        iat = int(self.now()) - self.aged
        moment = {
            "iss": self.issuer or self.url,
            "aud": self.agent,
            "version": self.version,
            "iat": iat,
        }
        policy = {"uploads": [self.bucket.url], **self.policy} if self.bucket else self.policy
        return {**policy, **moment, "lease_until": iat + self.lease, **changes}

    def signed(
        self, payload: dict[str, Any], *, key: Ed25519PrivateKey | None = None, **header: Any
    ) -> bytes:
        """Return a document signed by the portal's key; key and header differ where told."""
        head = {"kid": self.kid, "typ": "policy+jwt", **header}
        return sign(payload, key or self.key, **head).encode()

    def vouched(self, *, root: Ed25519PrivateKey | None = None, **changes: Any) -> str:
        """Return a key manifest: by the root, or by another, and saying what `manifest` says."""
        usual = {"iss": self.issuer or self.url, "keys": [self.vouch(self.kid, self.key)]}
        return vouched(root or self.root, self.now(), **{**usual, **self.manifest, **changes})

    def vouch(self, kid: str, key: Ed25519PrivateKey, **changes: Any) -> dict[str, Any]:
        """Return a key as a manifest lists it."""
        return {**listed(kid, key), **changes}

    def paths(self, method: str) -> list[str]:
        """Return the paths of all requests of a method, in order."""
        return [seen.path for seen in self.requests if seen.method == method]

    def events(self) -> list[dict[str, Any]]:
        """Return all events of all batches admitted."""
        return [json.loads(line) for data in self.admitted.values() for line in data.splitlines()]

    def wire(self) -> bytes:
        """Return everything an agent ever sent in a body."""
        return b"\n".join(seen.body for seen in self.requests)

    # --- answers -------------------------------------------------------------------------------

    def answer(self, seen: Seen) -> Answer:
        """Return the answer to a request, and remember the request."""
        self.requests.append(seen)
        found = self._answered(seen)
        return self.twist(seen, found) if self.twist else found

    def _answered(self, seen: Seen) -> Answer:
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
            case "POST", "/api/v1/agents/token":
                return self._change_token(seen)
            case "POST", "/api/v1/agents/key":
                return self._change_key(seen)
            case "GET", "/.well-known/sayso-portal.json":
                return reply(200, published.discovery(self.url))
            case "GET", "/.well-known/sayso-policy-keys.json":
                return reply(200, self.jwks())
            case "GET", "/.well-known/sayso-key-manifest.jwt":
                return 200, {"Content-Type": f"application/{MANIFEST}"}, self.vouched().encode()
            case "GET", "/api/v1/policy":
                return self.lost(self._policy(seen))
            case "POST", "/api/v1/policy/ack":
                return self._ack(seen)
            case "POST", "/api/v1/pauses":
                return self._pause(seen)
            case "POST", "/api/v1/strikes":
                return self._strike(seen)
            case "POST", "/api/v1/batches":
                return self._manifest(seen)
            case _:
                return problem(404, "not_found")

    def jwks(self) -> dict[str, Any]:
        """Return the key set (RFC 7517)."""
        return {"keys": [self.vouch(self.kid, self.key)]}

    def _device(self, seen: Seen) -> Answer:
        if urllib.parse.parse_qs(seen.body.decode()).get("client_id") != ["sayso-agent"]:
            return reply(400, {"error": "invalid_client"})
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
        if form.get("device_code") != ["device-secret"]:
            return reply(400, {"error": "invalid_grant"})
        if self.pending:
            return reply(400, {"error": self.pending.pop(0)})
        return reply(200, {"access_token": "at_secret", "token_type": "Bearer"})

    def _register(self, seen: Seen) -> Answer:
        if seen.headers.get("authorization") != "Bearer at_secret":
            return problem(401, "unknown_token")
        body = json.loads(seen.body)
        raw = b64url_decode(body["public_key"])
        if not self._fits(body["proof"], raw, "at_secret", "agent-proof+jwt"):
            return problem(422, "proof_invalid")
        self.agent, self.agent_key = str(uuid.uuid4()), raw
        times = {"rotate_after": self.rotate_after, "change_key_after": self.change_key_after}
        addresses = {**self.addresses(), **times, **self.waits}
        return reply(201, {"agent": self.agent, "token": self.token, **addresses})

    def _change_token(self, seen: Seen) -> Answer:
        """Give a pending token; the old one works until the new one is used, as at the portal."""
        bearer = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer != self.ended and not self._known(seen):
            return problem(401, "token_unknown")
        proof = json.loads(seen.body)["proof"]
        if self._fits(proof, self.next_agent_key, bearer, "agent-rotation+jwt"):
            self.agent_key, self.next_agent_key = self.next_agent_key, b""
        elif not self._fits(proof, self.agent_key, bearer, "agent-rotation+jwt"):
            return problem(422, "proof_invalid")
        self.next_token = f"sat_{len(self.requests)}"
        return reply(201, {"token": self.next_token, "rotate_after": self.rotate_after})

    def _change_key(self, seen: Seen) -> Answer:
        bearer = seen.headers.get("authorization", "").removeprefix("Bearer ")
        body = json.loads(seen.body)
        secret, new = f"{bearer}.{body['public_key']}", b64url_decode(body["public_key"])
        fits = self._fits(body["proof"], self.agent_key, secret, "agent-key+jwt")
        if not fits or not self._fits(body["new_proof"], new, secret, "agent-key+jwt"):
            return problem(422, "proof_invalid")
        self.next_agent_key = new
        return reply(200, {"change_key_after": self.change_key_after})

    def _fits(self, proof: str, key: bytes, secret: str, typ: str) -> bool:
        return proves(proof, key, portal=self.url, secret=secret, typ=typ)

    def addresses(self) -> dict[str, str]:
        """Return what enrolment tells an agent."""
        root = thumbprint(self.root.public_key().public_bytes_raw())
        return {**published.addresses(self.url), "root": root}

    def _known(self, seen: Seen) -> bool:
        if self.next_token and seen.headers.get("authorization") == f"Bearer {self.next_token}":
            self.given_up.add(self.token)
            self.token, self.next_token, self.ended = self.next_token, "", ""
        return seen.headers.get("authorization") == f"Bearer {self.token}"

    def _policy(self, seen: Seen) -> Answer:
        if not self._known(seen):
            bearer = seen.headers.get("authorization", "").removeprefix("Bearer ")
            return problem(401, "token_ended" if bearer == self.ended else "agent_unknown")
        payload = self.payload()
        etag = f'"{payload["version"]}"'
        if self.etags and seen.headers.get("if-none-match") == etag:
            return self.held(seen) or (304, {"ETag": etag, **self.extra_headers}, b"")
        if self.document is not None:
            return 200, {"Content-Type": "application/policy+jwt"}, self.document(self)
        if self.frozen and self._last:
            return 200, {"Content-Type": "application/policy+jwt", "ETag": etag}, self._last
        with self._issuing:
            body = self._last = self._in_force(payload)
            etag = f'"{self.version}"'
        headers = {"Content-Type": "application/policy+jwt", "ETag": etag, **self.extra_headers}
        return 200, headers, body

    def _in_force(self, payload: dict[str, Any]) -> bytes:
        """Return the document in force; where half its lease is over, the next one.

        A version names one document, to the last byte: what differs gets the next version.
        """
        lasting = {**payload, "iat": self.aged, "lease_until": self.lease, "version": self.kid}
        content = self.signed(lasting)
        found = self._documents.get(self.version)
        if found and found[0] == content and found[1] <= payload["iat"] < found[1] + self.lease / 2:
            return found[2]
        while self.version in self.issued:
            self.version += 1
        self.issued[self.version] = payload = {**payload, "version": self.version}
        body = self.signed(payload)
        self._documents[self.version] = content, payload["iat"], body
        return body

    def _ack(self, seen: Seen) -> Answer:
        if not self._known(seen):
            return problem(401, "agent_unknown")
        self.acknowledgements.append(json.loads(seen.body))
        return 204, {}, b""

    def _pause(self, seen: Seen) -> Answer:
        if not self._known(seen):
            return problem(401, "agent_unknown")
        name = json.loads(seen.body).get("pause", str(uuid.uuid4()))
        return reply(200, {"after_version": self.tell_pause(name)})

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
            if self.bucket is not None and batch in self.bucket.stored:
                return self._received(batch)
            return reply(200, self._state(batch))
        if (reasons := self._objections(body)) and not self.takes_all:
            return problem(422, "batch_refused", reasons=reasons)
        self.manifests[batch] = body
        return reply(201, self._state(batch))

    def _state(self, batch: str) -> dict[str, Any]:
        if batch in self.admitted:
            return {"batch": batch, "state": "admitted"}
        url = f"{self.url}/api/v1/batches/{batch}/bytes"
        place: dict[str, Any] = {"upload_url": url}
        if self.bucket is not None:
            said = self.manifests[batch]
            place = self.bucket.address(batch, said["bytes"], said["sha256"])
        return {"batch": batch, "state": "awaiting_bytes", **place}

    def _objections(self, body: dict[str, Any]) -> list[str]:
        """Return what admission objects to."""
        reasons = objections(body, self.issued.get(body["policy_version"]), self.policy)
        self.refused += reasons
        return reasons

    def _bytes(self, batch: str, seen: Seen) -> Answer:
        if not self._known(seen) or batch not in self.manifests:
            return problem(404, "batch_unknown")
        if batch in self.admitted:
            return reply(200, self._state(batch))
        if seen.method == "POST":
            return self._received(batch)
        return self._take(batch, seen.body)

    def _received(self, batch: str) -> Answer:
        """Look into the store, as a portal does whose agents bring bytes there themselves."""
        found = self.bucket.stored.get(batch) if self.bucket else None
        return problem(422, "bytes_do_not_match") if found is None else self._take(batch, found)

    def _take(self, batch: str, data: bytes) -> Answer:
        body = self.manifests[batch]
        if len(data) != body["bytes"] or hashlib.sha256(data).hexdigest() != body["sha256"]:
            return problem(422, "bytes_do_not_match")
        if (reasons := self._objections(body)) and not self.takes_all:
            return problem(422, "batch_refused", reasons=reasons)
        lines = [json.loads(line) for line in data.splitlines()]
        start, end = (datetime.fromisoformat(body[k]).timestamp() for k in ("from", "until"))
        if not all(start - 0.0005 <= line["t"] < end for line in lines):
            self.refused.append("outside_manifest")
            return problem(422, "batch_refused", reasons=["outside_manifest"])
        self.admitted[batch] = data
        return reply(201, self._state(batch))
