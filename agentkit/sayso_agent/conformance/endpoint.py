"""Looks at a portal as an agent sees it: what anybody gets, and with an agent's token what it gets.

It changes nothing: it announces no batch and acknowledges no version.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sayso_agent.conformance.report import Result
from sayso_agent.doors import DISCOVERY, Doors
from sayso_agent.errors import AgentError
from sayso_agent.jws import KeySet, header_of, verify
from sayso_agent.manifest import TYPE as MANIFEST_TYPE
from sayso_agent.manifest import Manifest, Pinned
from sayso_agent.policy import LONGEST_LEASE, Policy
from sayso_agent.transport import Answer, Transport, parse_origin
from sayso_agent.trust import TYPE

POLICY: Final = "/api/v1/policy"
KEYS: Final = "/.well-known/sayso-policy-keys.json"
MANIFEST: Final = "/.well-known/sayso-key-manifest.jwt"
SHIPPED: Final = Path(__file__).resolve().parents[1]
OURS: Final = SHIPPED / "policy.schema.json"
SCHEMAS: Final = {
    "/.well-known/sayso-policy.schema.json": OURS,
    "/.well-known/sayso-batch.schema.json": SHIPPED / "batch.schema.json",
}
"""Address -> the schema that this agent was made for."""
ADDRESSES: Final = (
    *("policy_url", "ack_url", "batches_url", "manifest_url", "jwks_url", "token_url", "key_url"),
    *("pauses_url", "strikes_url", "policy_schema_url", "batch_schema_url"),
)
"""What discovery must name, beside the doors of enrolment."""
NOT_ENROLLED: Final = "needs an enrolled agent: enrol this folder first, or name another by --home"
NO_JSONSCHEMA: Final = "needs the package jsonschema: pip install sayso-agent[conformance]"


@dataclass
class Look:
    """What one look at a portal found out."""

    transport: Transport
    token: str = ""
    agent: str = ""
    root: str = ""
    keys: KeySet = field(default_factory=lambda: KeySet({}))
    first: Answer | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)

    def get(self, path: str, *, token: str | None = None, **headers: str) -> Answer:
        """Fetch something, as the agent unless told another token."""
        bearer = self.token if token is None else token
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        url = self.transport.origin.url + path
        return self.transport.request("GET", url, headers=sent, patience=10.0)


UNREADABLE: Final = "the answer is of no form that an agent could read"

Check = Callable[[Look], Iterator[str]]


def look_at(url: str, *, token: str = "", agent: str = "", root: str = "") -> list[Result]:
    """Return what is right and wrong with the portal; without a token some checks are skipped."""
    look = Look(Transport(parse_origin(url)), token, agent, root)
    try:
        return [_result(look, *check) for check in CHECKS]
    finally:
        look.transport.close()


def _result(look: Look, name: str, asks: str, needs_agent: bool, check: Check) -> Result:  # noqa: FBT001
    began = time.monotonic()
    if needs_agent and not look.token:
        return Result(name, asks, skipped=NOT_ENROLLED)
    if name == "schema" and find_spec("jsonschema") is None:
        return Result(name, asks, skipped=NO_JSONSCHEMA)
    try:
        wrong = tuple(check(look))
    except AgentError as error:
        wrong = (str(error),)
    except (ValueError, TypeError, AttributeError, RecursionError):
        wrong = (UNREADABLE,)  # whatever it is, no agent could read it
    return Result(name, asks, wrong, seconds=round(time.monotonic() - began, 1))


def _keys(look: Look) -> Iterator[str]:
    answer = look.get(KEYS, token="")
    if answer.status != 200:
        yield f"status {answer.status}"
        return
    listed = KeySet.parse(json.loads(answer.body)).keys
    if not listed:
        yield "no key that an agent can use"
    elif set(listed) != set(look.keys.keys):
        yield "it lists other keys than the root vouches for"


def _manifest(look: Look) -> Iterator[str]:
    answer = look.get(MANIFEST, token="")
    if answer.status != 200:
        yield f"status {answer.status}"
        return
    signed = answer.body.decode("ascii").strip()
    # Without an enrolment nobody knows the root; then only that it fits itself can be seen.
    root = look.root or str(header_of(signed, typ=MANIFEST_TYPE).get("kid", ""))
    found = Manifest.accept(signed, Pinned(root, look.transport.origin.url), wall=time.time())
    look.keys = KeySet(found.usable())
    if not look.keys.keys:
        yield "no key that an agent can use"


def _published(look: Look) -> Iterator[str]:
    for path, ours in SCHEMAS.items():
        answer = look.get(path, token="")
        if answer.status != 200:
            yield f"status {answer.status} for {path}"
        elif json.loads(answer.body) != json.loads(ours.read_bytes()):
            yield f"{path} is not the schema that this agent was made for"


def _discovery(look: Look) -> Iterator[str]:
    answer = look.get(DISCOVERY, token="")
    if answer.status != 200:
        yield f"status {answer.status}"
        return
    said, origin = json.loads(answer.body), look.transport.origin
    Doors.parse(said, origin.covers)
    if said.get("issuer") != origin.url:
        yield f"issuer {said.get('issuer')!r}"
    for name in ADDRESSES:
        if not isinstance(url := said.get(name), str) or not origin.covers(url):
            yield f"no {name} on this portal"
    wait = said.get("wait_seconds")
    if isinstance(wait, bool) or not isinstance(wait, int) or wait < 0:
        yield "no whole number of wait_seconds"


def _refusal(token: str) -> Check:
    def check(look: Look) -> Iterator[str]:
        answer = look.get(POLICY, token=token)
        if answer.status != 401:
            yield f"status {answer.status} where 401 belongs"
        if "bearer" not in answer.headers.get("www-authenticate", "").lower():
            yield "WWW-Authenticate does not ask for a bearer token"
        if answer.headers.get("content-type") != "application/problem+json":
            yield "no problem details (RFC 9457)"
        elif not {"code", "next_step"} <= set(json.loads(answer.body)):
            yield "the problem has no code or no next step"

    return check


def _signed(look: Look) -> Iterator[str]:
    answer = look.first = look.get(POLICY)
    if answer.status != 200:
        yield f"status {answer.status}"
        return
    if answer.headers.get("content-type") != "application/policy+jwt":
        yield "it is not application/policy+jwt"
    look.payload = verify(answer.body.decode("ascii").strip(), look.keys, typ=TYPE)
    Policy.parse(look.payload)


def _addressed(look: Look) -> Iterator[str]:
    said, now = look.payload, time.time()
    if said.get("iss") != look.transport.origin.url:
        yield f"issuer {said.get('iss')!r}"
    if said.get("aud") != look.agent:
        yield "it is for another agent"
    begins, ends = said.get("iat", 0), said.get("lease_until", 0)
    if not begins < ends <= begins + LONGEST_LEASE:
        yield "the lease does not end within a day"
    if not begins - 60 <= now < ends:
        yield "the lease does not run now, by this machine's clock"


def _schema(look: Look) -> Iterator[str]:
    # Not needed by an agent, so not among what it requires.
    checker = import_module("jsonschema").Draft202012Validator(json.loads(OURS.read_bytes()))
    for error in checker.iter_errors(dict(look.payload)):
        yield f"{error.json_path}: {error.validator}"


def _headers(look: Look) -> Iterator[str]:
    headers = look.first.headers if look.first else {}
    etag = headers.get("etag", "")
    if not etag.startswith('"'):
        yield "no strong ETag"
    caching = headers.get("cache-control", "")
    if "private" not in caching or not {"no-cache", "no-store"} & set(caching.split(", ")):
        yield "Cache-Control lets others keep it"
    if "authorization" not in headers.get("vary", "").lower():
        yield "Vary does not name Authorization"
    if "date" not in headers:
        yield "no Date, by which agents stamp what they capture"


def _unchanged(look: Look) -> Iterator[str]:
    etag = look.first.headers.get("etag", "") if look.first else ""
    answer = look.get(POLICY, If_None_Match=etag)
    if answer.status not in {200, 304} or (answer.status == 304 and answer.body):
        yield f"status {answer.status} with {len(answer.body)} bytes"
    if answer.status == 200 and answer.headers.get("etag") == etag:
        yield "a whole document although it is unchanged"


def _foreign_etag(look: Look) -> Iterator[str]:
    for etag in ('"0"', '"1.0.0.0.k.0"'):
        if (status := look.get(POLICY, If_None_Match=etag).status) != 200:
            yield f"status {status} for If-None-Match: {etag}"


def _rises(look: Look) -> Iterator[str]:
    answer = look.get(POLICY)
    again = verify(answer.body.decode("ascii").strip(), look.keys, typ=TYPE)
    if again.get("version", 0) < look.payload.get("version", 0):
        yield "a later answer had a lower version"


def _waits(look: Look) -> Iterator[str]:
    etag = look.get(POLICY).headers.get("etag", "")
    began = time.monotonic()
    look.get(POLICY, If_None_Match=etag, Prefer="wait=1")
    if time.monotonic() - began > 4.0:
        yield "held for longer than was asked"


CHECKS: Final[tuple[tuple[str, str, bool, Check], ...]] = (
    ("discovery", "does it say where everything is, and what it speaks?", False, _discovery),
    ("manifest", "does its root vouch for keys, now?", False, _manifest),
    ("keys", "does the plain list name the same keys?", False, _keys),
    ("published", "are the schemas of its policies and batches published?", False, _published),
    ("without_token", "is a poll without a token refused?", False, _refusal("")),
    ("unknown_token", "is a poll with an unknown token refused?", False, _refusal("sat_unknown")),
    ("signed", "is the policy signed by one of its keys, and understood?", True, _signed),
    ("addressed", "is it from this portal, for this agent, for now?", True, _addressed),
    ("schema", "does it follow the schema?", True, _schema),
    ("headers", "do its headers keep it from everybody else?", True, _headers),
    ("unchanged", "is an unchanged policy answered without a body?", True, _unchanged),
    ("foreign_etag", "does a foreign ETag get the whole document?", True, _foreign_etag),
    ("rises", "does the version never fall?", True, _rises),
    ("waits", "does a long poll end in time?", True, _waits),
)
