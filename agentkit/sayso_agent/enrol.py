"""Enrolment: the person approves in the browser (RFC 8628), the machine proves it holds its key."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sayso_agent.doors import Doors, url_differs
from sayso_agent.errors import EnrolmentError, UnexpectedAnswerError, UnreachableError
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.jws import b64url
from sayso_agent.keys import ED25519, ENROL, Key, kind_of, new_key, prove, public_bytes
from sayso_agent.machine import account, platform_name
from sayso_agent.portal import Endpoints, Portal
from sayso_agent.transport import Backoff, Transport, parse_origin
from sayso_agent.words import printable

SLOWER: Final = 5.0
FORGOTTEN: Final = "invalid_grant"
"""What a portal says that knows the code no more, as ours does when its time is over."""
_ENDINGS: Final = {
    "access_denied": "the request was declined in the browser",
    "expired_token": "nobody approved in time; start again",
}


@dataclass(frozen=True, slots=True)
class Approval:
    """What the person needs to approve this machine in the browser."""

    address: str
    complete_address: str
    code: str
    expires_in: float


def enrol(
    home: Home,
    portal_url: str,
    *,
    name: str,
    show: Callable[[Approval], None],
    kind: str = ED25519,
    sleep: Callable[[float], None] = time.sleep,
) -> Identity:
    """Make this folder an agent of the portal and return who it is; EnrolmentError if refused."""
    origin = parse_origin(portal_url)
    portal = Portal(Transport(origin))
    try:
        doors = portal.doors()
        started = portal.device_code(doors.device_code)
        approval = _approval(started)
        show(approval)
        access_token = _wait(portal, doors, started, approval, sleep)
        key = new_key(kind)
        request = _request(origin.url, name, access_token, key)
        answer = portal.register(doors.agents, access_token, request)
        identity = _identity(portal, name, answer)
    finally:
        portal.transport.close()
    home.spool.destroy()
    home.save_identity(identity, key)
    return identity


def enrol_by_ticket(
    home: Home, portal_url: str, *, ticket: str, serial: str, name: str, kind: str = ED25519
) -> tuple[Identity, Approval]:
    """Make this folder an agent that waits for its person; return who we are, and what they need.

    The key is kept before the portal is asked: where its answer gets lost, the same ticket asked
    with the same key gives another answer, although it is used up. A ticket brings the thumbprint
    of the portal's root behind a dot; a portal of another root is refused.
    """
    origin = parse_origin(portal_url)
    ticket, _, root = ticket.partition(".")
    portal = Portal(Transport(origin))
    try:
        doors = portal.doors()
        key = home.prepared_key(kind)
        request = _request(origin.url, name, ticket, key)
        answer = portal.register(doors.agents, ticket, {**request, "serial": serial})
        identity = _identity(portal, name, answer)
        if root and identity.root != root:
            raise EnrolmentError(
                "root_differs", "the portal's root is not the one that the ticket names"
            )
        approval = _approval(
            {"verification_uri": answer.get("approve_url"), "user_code": answer.get("code")}
        )
    finally:
        portal.transport.close()
    home.spool.destroy()
    home.save_identity(identity, key)
    home.save_waiting(approval.complete_address, approval.code)
    return identity, approval


def _approval(started: Mapping[str, Any]) -> Approval:
    """Read what to show; only web addresses are shown, and nothing that steers a terminal."""
    address, code = started.get("verification_uri"), started.get("user_code")
    complete = started.get("verification_uri_complete") or address
    expires = started.get("expires_in", 600)
    for url in (address, complete):
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise UnexpectedAnswerError("enrolment_malformed", "the portal named no address")
    if not isinstance(code, str) or not isinstance(expires, int | float):
        raise UnexpectedAnswerError("enrolment_malformed", "the portal named no code")
    return Approval(
        printable(str(address), limit=500),
        printable(str(complete), limit=500),
        printable(code),
        min(float(expires), 3600.0),
    )


def _wait(
    portal: Portal,
    doors: Doors,
    started: Mapping[str, Any],
    approval: Approval,
    sleep: Callable[[float], None],
) -> str:
    """Ask until the person has answered; a portal in trouble only makes us ask more slowly."""
    device_code, interval = started.get("device_code"), started.get("interval", 5)
    if not isinstance(device_code, str) or not isinstance(interval, int | float):
        raise UnexpectedAnswerError("enrolment_malformed", "the portal started nothing")
    pause, backoff = max(float(interval), 0.1), Backoff(longest=30.0)
    waited = 0.0
    while waited <= approval.expires_in:
        sleep(pause)
        waited += pause
        try:
            token, error = portal.access_token(doors.device_token, device_code)
        except UnreachableError as trouble:
            extra = backoff.failed(retry_after=trouble.retry_after)
            sleep(extra)
            waited += extra
            continue
        if token:
            return token
        if error == FORGOTTEN:
            error = "expired_token"
        if error == "slow_down":
            pause += SLOWER
        elif error != "authorization_pending":
            known = error if error in _ENDINGS else "enrolment_refused"
            raise EnrolmentError(known, _ENDINGS.get(error, "the portal refused the enrolment"))
    raise EnrolmentError("expired_token", _ENDINGS["expired_token"])


def _request(portal_url: str, name: str, secret: str, key: Key) -> dict[str, Any]:
    """Return the agent's registration; the proof binds its key to this portal and this secret."""
    return {
        "name": name,
        "platform": platform_name(),
        "public_key": b64url(public_bytes(key)),
        "key_kind": kind_of(key),
        "proof": prove(key, portal=portal_url, secret=secret, typ=ENROL),
    }


def _identity(portal: Portal, name: str, answer: Mapping[str, Any]) -> Identity:
    """Read who we are now. Every address must be on the portal we were told to enrol with."""
    origin = portal.transport.origin
    addresses = ("policy_url", "ack_url", "batches_url", "manifest_url")
    wanted = ("agent", "token", "issuer", "root", *addresses)
    values = {key: answer.get(key) for key in wanted}
    if not all(isinstance(value, str) and value for value in values.values()):
        raise UnexpectedAnswerError("enrolment_malformed", "the portal's answer lacks something")
    found = {key: str(value) for key, value in values.items()}
    for key in addresses:
        if not origin.covers(found[key]):
            raise url_differs(found["issuer"])
    token_url, key_url = (
        url if isinstance(url := answer.get(name), str) and origin.covers(url) else ""
        for name in ("token_url", "key_url")
    )
    rotate_after, change_key_after = answer.get("rotate_after"), answer.get("change_key_after")
    endpoints = Endpoints(
        policy=found["policy_url"],
        ack=found["ack_url"],
        batches=found["batches_url"],
        manifest=found["manifest_url"],
        token=token_url,
        key=key_url,
    )
    return Identity(
        portal=origin.url,
        issuer=found["issuer"],
        agent=found["agent"],
        token=found["token"],
        name=name,
        endpoints=endpoints,
        root=found["root"],
        token_at=time.time(),
        rotate_after=rotate_after if token_url and isinstance(rotate_after, int) else 0,
        key_at=time.time(),
        account=account(),
        change_key_after=change_key_after if key_url and isinstance(change_key_after, int) else 0,
    )
