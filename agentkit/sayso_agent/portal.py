"""The portal's protocol, version 1: one method a request, answers as plain values."""

import email.utils
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sayso_agent.doors import DISCOVERY, Doors
from sayso_agent.errors import (
    EnrolmentError,
    PolicyChangedError,
    PolicyRefusedError,
    StandingError,
    UnexpectedAnswerError,
    UnreachableError,
)
from sayso_agent.jws import MAX_TOKEN, strict_json
from sayso_agent.transport import Answer, Body, Transport
from sayso_agent.words import plain

CLIENT: Final = "sayso-agent"
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST_WAIT: Final = 60.0
KEYS_WITHIN: Final = 10.0
"""How long the key manifest may take, in seconds: a policy may wait for it."""
TOKEN_ENDED: Final = "token_ended"  # noqa: S105  a code
_STANDING: Final = {401: "agent_unknown", 403: "agent_blocked", 410: "subject_erased"}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the portal takes what, as it told us at enrolment."""

    policy: str
    ack: str
    batches: str
    manifest: str
    token: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What a poll brought: a signed document, or none because ours still stands (304)."""

    token: str | None
    etag: str
    wait: float  # how long the portal would hold a poll until something changes; 0 if it would not
    answered: float | None = None  # by the portal's clock; None for a 304, which starts no lease
    held: float = 0.0  # how long the portal says that it was to hold this poll; 0 if it did not


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the portal did not take a batch."""

    status: int
    code: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a batch go. `received` is where to say that they are there; "" for the
    portal itself, which sees them come."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    received: str = ""


@dataclass(slots=True)
class Portal:
    """The portal as one agent sees it."""

    transport: Transport
    token: str = ""
    endpoints: Endpoints | None = None

    # --- enrolment -----------------------------------------------------------------------------

    def doors(self) -> Doors:
        """Ask how to enrol: nobody need be asked for an enrolment that could not end well."""
        answer = self.transport.request("GET", self._url(DISCOVERY))
        if answer.status in {404, 410}:
            raise UnexpectedAnswerError("no_portal", "no Sayso portal answers at that address")
        if answer.status != 200:
            raise _trouble(answer, "the portal did not say how to enrol")
        return Doors.parse(_object(answer), self.transport.origin.covers)

    def device_code(self, url: str) -> Mapping[str, Any]:
        """Start the device flow (RFC 8628 section 3.1)."""
        form = {"client_id": CLIENT, "scope": "openid"}
        answer = self._form(url, form)
        if answer.status != 200:
            raise _trouble(answer, "the portal did not start the enrolment")
        return _object(answer)

    def access_token(self, url: str, device_code: str) -> tuple[str, str]:
        """Ask once for the token: (token, "") or ("", error code of RFC 8628 section 3.5)."""
        form = {"grant_type": DEVICE_GRANT, "device_code": device_code, "client_id": CLIENT}
        answer = self._form(url, form)
        if answer.status == 200:
            token = _object(answer).get("access_token")
            if isinstance(token, str) and token:
                return token, ""
            raise UnexpectedAnswerError("token_malformed", "the portal sent no access token")
        if answer.status == 400:
            error = _object(answer).get("error")
            return "", error if isinstance(error, str) else "invalid_request"
        raise _trouble(answer, "the portal did not answer the enrolment")

    def register(self, url: str, access_token: str, agent: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make this machine an agent; sent once only, as a second agent would be made."""
        answer = self.transport.request(
            "POST",
            url,
            headers=_json_headers(access_token),
            body=json.dumps(agent).encode(),
            once=True,
        )
        if answer.status == 201:
            return _object(answer)
        if answer.status >= 500 or answer.status == 429:
            raise _trouble(answer, "the portal could not make the agent now")
        code = _problem(answer).code or "registration_refused"
        why = _UNWANTED.get(code, plain(code))
        raise EnrolmentError(code, f"the portal refused the agent: {why}")

    def change_token(self, proof: str) -> tuple[str, int]:
        """Ask for a new token; return it, and the seconds after which to ask again.

        Sent once only: where no answer comes, the old token goes on, and another proof is asked
        for another token.
        """
        answer = self.transport.request(
            "POST",
            self._endpoints().token,
            headers=_json_headers(self.token),
            body=json.dumps({"proof": proof}).encode(),
            once=True,
        )
        if answer.status != 201:
            raise _trouble(answer, "the portal gave no new token")
        found = _object(answer)
        token, after = found.get("token"), found.get("rotate_after")
        if not isinstance(token, str) or not token or not isinstance(after, int):
            raise UnexpectedAnswerError("token_malformed", "the portal sent no token")
        return token, after

    def change_key(self, wanted: Mapping[str, Any]) -> int:
        """Name our next key, with its proofs; return the seconds after which to change it again.

        Asking again with the same key changes nothing, so a lost answer costs nothing.
        """
        answer = self._post(self._endpoints().key, wanted)
        if answer.status != 200:
            raise _trouble(answer, "the portal did not take the new key")
        after = _object(answer).get("change_key_after")
        if not isinstance(after, int) or isinstance(after, bool):
            raise UnexpectedAnswerError("answer_malformed", "the portal named no time")
        return after

    # --- policy --------------------------------------------------------------------------------

    def policy(self, *, etag: str = "", wait: float = 0.0) -> PolicyAnswer:
        """Poll once. StandingError for 401, 403, 410; UnreachableError where ours may stand.

        PolicyChangedError where something changed while we waited.
        """
        headers = {**self._auth(), "Accept": "application/policy+jwt"}
        if etag:
            headers["If-None-Match"] = etag
        if wait:
            headers["Prefer"] = f"wait={int(wait)}"
        url = self._endpoints().policy
        answer = self.transport.request("GET", url, headers=headers, patience=wait)
        if answer.status == 200:
            etag, answered = answer.headers.get("etag", ""), _date(answer)
            return PolicyAnswer(_document(answer), etag, _wait(answer), answered, _held(answer))
        if answer.status == 304 and etag:
            return PolicyAnswer(None, etag, _wait(answer), held=_held(answer))
        if answer.status == 409:
            raise PolicyChangedError(retry_after=answer.retry_after())
        raise _trouble(answer, "the portal sent no policy")

    def manifest(self) -> str:
        """Fetch the manifest of the keys that may sign policies, as it was signed."""
        answer = self.transport.request("GET", self._endpoints().manifest, within=KEYS_WITHIN)
        if answer.status != 200:
            raise UnreachableError("keys_unreachable", "the portal's key manifest is out of reach")
        return _document(answer)

    def acknowledge(self, *, version: int, applied_at: str, purged: bool) -> None:
        """Tell the portal that a version is obeyed and the spool holds nothing it denies."""
        body = {"version": version, "applied_at": applied_at, "purged": purged}
        answer = self._post(self._endpoints().ack, body)
        if answer.status not in {200, 204}:
            raise _trouble(answer, "the portal did not take the acknowledgement")

    def pause(self, pause: str) -> int:
        """Pause in the person's name; return the version that a resuming policy must exceed.

        The same pause told again changes nothing, and is answered as it was.
        """
        answer = self._post(self._url("/api/v1/pauses"), {"pause": pause})
        if answer.status != 200:
            raise _trouble(answer, "the portal did not take the pause")
        after = _object(answer).get("after_version")
        if not isinstance(after, int) or isinstance(after, bool):
            raise UnexpectedAnswerError("answer_malformed", "the portal named no version")
        return after

    def strike(self, strike: str, since: str, until: str) -> None:
        """Have an interval forgotten in the person's name."""
        body = {"strike": strike, "from": since, "until": until}
        answer = self._post(self._url("/api/v1/strikes"), body)
        if answer.status not in {200, 204}:
            raise _trouble(answer, "the portal did not take what was forgotten")

    # --- batches -------------------------------------------------------------------------------

    def announce(self, manifest: Mapping[str, Any]) -> Place | Refusal | None:
        """Hand in a manifest; return where its bytes go, None if it has them, or the refusal."""
        answer = self._post(self._endpoints().batches, manifest)
        if answer.status in {200, 201}:
            found = _object(answer)
            state = found.get("state")
            if state == "admitted":
                return None
            if state != "awaiting_bytes":
                return Refusal(answer.status, state if isinstance(state, str) else "", ())
            return self._place(found)
        return _refused(answer)

    def upload(self, url: str, data: Body) -> Refusal | None:
        """Hand in a batch's bytes; return the refusal if they were not taken."""
        headers = {**self._auth(), "Content-Type": "application/octet-stream"}
        answer = self.transport.request("PUT", url, headers=headers, body=data)
        return None if answer.status in {200, 201} else _refused(answer)

    def received(self, url: str) -> Refusal | None:
        """Say that a batch's bytes lie where they belong; return the refusal if they may not."""
        answer = self._post(url, {})
        return None if answer.status in {200, 201} else _refused(answer)

    # --- inside --------------------------------------------------------------------------------

    def _place(self, found: Mapping[str, Any]) -> Place:
        """Read where bytes go: to us, or elsewhere with the headers told and a word to us after."""
        url, received = found.get("upload_url"), found.get("received_url", "")
        headers = found.get("upload_headers", {})
        texts = isinstance(headers, dict) and all(isinstance(v, str) for v in headers.values())
        if not isinstance(url, str) or not url or not isinstance(received, str) or not texts:
            raise UnexpectedAnswerError("manifest_answer_malformed", "no address for the bytes")
        base = self.transport.origin.url + "/"
        told = urllib.parse.urljoin(base, received) if received else ""
        return Place(urllib.parse.urljoin(base, url), headers, told)

    def _url(self, path: str) -> str:
        return self.transport.origin.url + path

    def _endpoints(self) -> Endpoints:
        if self.endpoints is None:
            raise UnexpectedAnswerError("not_enrolled", "this agent is not enrolled")
        return self.endpoints

    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _form(self, url: str, form: Mapping[str, str]) -> Answer:
        return self.transport.request(
            "POST",
            url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urllib.parse.urlencode(form).encode(),
            once=True,
        )

    def _post(self, url: str, body: Mapping[str, Any]) -> Answer:
        data = json.dumps(body, separators=(",", ":")).encode()
        return self.transport.request("POST", url, headers=_json_headers(self.token), body=data)


_UNWANTED: Final = {
    "ticket_refused": "the ticket was used by another machine, has expired or was ended, or is for "
    "another serial number; ask whoever gave it to you for another one",
    "proof_invalid": "this machine's clock is wrong by more than five minutes, or the portal has "
    "another address; set the clock, compare the address, and start again",
    "token_unknown": "the approval is used up, or this is no ticket; start again",
    "not_an_employee": "the login that approved it is nobody's whose work could be recorded; "
    "start again and approve with your own",
}
"""Why a machine is not taken, and what to do, by the portal's code."""


def _json_headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, application/problem+json",
    }


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        value = strict_json(answer.body)
    except ValueError as error:
        raise UnexpectedAnswerError("answer_malformed", "the portal's answer is no JSON") from error
    if not isinstance(value, dict):
        raise UnexpectedAnswerError("answer_malformed", "the portal's answer is no JSON object")
    return value


def _document(answer: Answer) -> str:
    if len(answer.body) > MAX_TOKEN:
        raise PolicyRefusedError("policy_malformed", "the policy is too large")
    try:
        return answer.body.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise PolicyRefusedError("policy_malformed", "this is not a signed policy") from error


def _date(answer: Answer) -> float:
    """Return when the portal answered, by its own clock (RFC 9110 section 6.6.1)."""
    try:
        return email.utils.parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ValueError, OverflowError) as error:
        raise UnexpectedAnswerError("answer_undated", "the portal's answer has no date") from error


def _wait(answer: Answer) -> float:
    """Return how long the portal offers to hold a poll (`Policy-Poll: …, wait=50`)."""
    return _seconds(answer.headers.get("policy-poll", ""))


def _held(answer: Answer) -> float:
    """Return how long the portal was to hold this poll (`Preference-Applied`, RFC 7240)."""
    return _seconds(answer.headers.get("preference-applied", ""))


def _seconds(header: str) -> float:
    """Return the `wait` that a header names, 0 where it names none."""
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "wait" and value.isascii() and value.isdigit():
            return min(float(value[:6]), LONGEST_WAIT)
    return 0.0


def _problem(answer: Answer) -> Refusal:
    """Read an RFC 9457 problem; what cannot be read leaves the code empty."""
    try:
        value = strict_json(answer.body)
    except ValueError:
        value = {}
    found = value if isinstance(value, dict) else {}
    code, reasons = found.get("code"), found.get("reasons")
    listed = reasons if isinstance(reasons, list) else []
    texts = tuple(reason for reason in listed if isinstance(reason, str))
    return Refusal(answer.status, code if isinstance(code, str) else "", texts)


def _refused(answer: Answer) -> Refusal:
    """Return the refusal of a batch; raise where it is the portal that is in trouble, or we."""
    if answer.status in {400, 404, 409, 413, 415, 422}:
        return _problem(answer)
    raise _trouble(answer, "the portal did not take the batch")


def _trouble(answer: Answer, message: str) -> Exception:
    """Return the error an answer stands for: gone for good, later again, or not understood."""
    if answer.status == 401 and _problem(answer).code == TOKEN_ENDED:
        return StandingError(TOKEN_ENDED, "this token has ended", status=401)
    if answer.status in _STANDING:
        code = _STANDING[answer.status]
        return StandingError(code, plain(code), status=answer.status)
    if answer.status >= 500 or answer.status in {408, 425, 429}:
        return UnreachableError(
            "portal_in_trouble",
            f"{message} (status {answer.status})",
            retry_after=answer.retry_after(),
        )
    return UnexpectedAnswerError("portal_answer_unexpected", f"{message} (status {answer.status})")
