"""What can be broken in whom and what the reference agent believes: documents, keys and answers."""

import hashlib
import hmac
import json
import os
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sayso_agent.agent
import sayso_agent.jws
import sayso_agent.keyring
import sayso_agent.manifest
import sayso_agent.parts
import sayso_agent.portal
import sayso_agent.transport
import sayso_agent.trust
from breaking import AnyText, caught_by, nothing, put, told_as
from sayso_agent.agent import Agent
from sayso_agent.errors import PolicyRefusedError, UnreachableError
from sayso_agent.files import write_json
from sayso_agent.home import Home
from sayso_agent.jws import KeySet, b64url_decode
from sayso_agent.keyring import Keyring
from sayso_agent.manifest import Manifest
from sayso_agent.parts import Hours
from sayso_agent.policy import Policy
from sayso_agent.rhythm import Rhythm
from sayso_agent.run import Backoff, Runner
from sayso_agent.seen import KeptManifest, Seen
from sayso_agent.transport import Transport, origin_of, parse_origin

ANOTHER_DOCUMENT = "arrived: what only that document allows"
THIEF = "arrived: what only the thief's policy allows"


# --- documents -----------------------------------------------------------------------------------


def payload_of(token: str) -> Any:
    """Return what a token says, whoever signed it."""
    return json.loads(b64url_decode(token.split(".")[1]))


def _unverified(token: str, _keys: KeySet, *, typ: str) -> Any:
    return payload_of(token)


@caught_by("bad_signature", ANOTHER_DOCUMENT)
def signature() -> None:
    put(sayso_agent.trust, verify=_unverified)


@caught_by("bad_tampered", ANOTHER_DOCUMENT)
def signature_of_what_it_says() -> None:
    put(sayso_agent.trust, verify=_unverified)


@caught_by("bad_alg_none", ANOTHER_DOCUMENT)
def algorithm_none() -> None:
    _believes("none", lambda _key, _signed, signature: not signature)


@caught_by("bad_alg_shared", ANOTHER_DOCUMENT)
def algorithm_of_the_token() -> None:
    def fits(key: bytes, signed: bytes, signature: str) -> bool:
        return hmac.digest(key, signed, hashlib.sha256) == b64url_decode(signature)

    _believes("HS256", fits)


def _believes(alg: str, fits: Callable[[bytes, bytes, str], bool]) -> None:
    """Take the algorithm from the token, where it is this one."""
    verify, any_header = sayso_agent.trust.verify, _any_header()

    def careless(token: str, keys: KeySet, *, typ: str) -> Any:
        signed, _, signature = token.rpartition(".")
        header = any_header(token, typ=typ)
        if header["alg"] != alg or not fits(keys.keys[header["kid"]], signed.encode(), signature):
            return verify(token, keys, typ=typ)
        return payload_of(token)

    put(sayso_agent.trust, verify=careless)


@caught_by("bad_key_unknown", ANOTHER_DOCUMENT)
def key_by_any_name() -> None:
    def keys_for(self: Manifest, kid: str, _wall: float) -> KeySet:
        return KeySet({kid: next(iter(self.keys.values())).public})

    put(Manifest, knows=lambda *_: True, keys_for=keys_for, check_time=nothing)


@caught_by("bad_said_twice", ANOTHER_DOCUMENT)
def members_twice() -> None:
    put(sayso_agent.jws, _once=dict)


@caught_by("bad_type", ANOTHER_DOCUMENT)
def type_unread() -> None:
    _any_header()


@caught_by("bad_critical", ANOTHER_DOCUMENT)
def critical_unread() -> None:
    _any_header()


def _any_header() -> Callable[..., Any]:
    def header_of(token: str, *, typ: str) -> Any:
        return json.loads(sayso_agent.jws.b64url_decode(token.split(".", maxsplit=1)[0]))

    put(sayso_agent.jws, header_of=header_of)
    return header_of


@caught_by("bad_issuer", ANOTHER_DOCUMENT)
def issuer() -> None:
    expected = sayso_agent.agent.Expected
    put(sayso_agent.agent, Expected=lambda _issuer, *more: expected(AnyText(), *more))


@caught_by("bad_audience", ANOTHER_DOCUMENT)
def audience() -> None:
    expected = sayso_agent.agent.Expected
    put(sayso_agent.agent,
        Expected=lambda issuer, _audience, *more: expected(issuer, AnyText(), *more))  # fmt: skip


@caught_by("bad_expired", ANOTHER_DOCUMENT)
def end_unread() -> None:
    _lasts_a_day()


@caught_by("bad_clock_back", ANOTHER_DOCUMENT)
def end_of_an_hour_ago_unread() -> None:
    _lasts_a_day()


def _lasts_a_day() -> None:
    parse = Policy.parse

    def lasting(payload: Any) -> Policy:
        policy = parse(payload)
        return replace(policy, lease_until=policy.lease_until + 80_000)

    put(Policy, parse=lasting)


@caught_by("bad_hours_unknown", ANOTHER_DOCUMENT)
def hours_as_far_as_known() -> None:
    put(sayso_agent.parts,
        _hours=lambda entry: Hours(entry["purpose"], entry["from"], entry["until"]))  # fmt: skip


@caught_by("bad_format", ANOTHER_DOCUMENT)
def format_unread() -> None:
    told_as(lambda said: {**said, "v": 1})


@caught_by("bad_default_allow", ANOTHER_DOCUMENT)
def default_unread() -> None:
    told_as(lambda said: {**said, "default": {"decision": "deny", "reasons": ["x"]}})


@caught_by("bad_never_matcher", ANOTHER_DOCUMENT)
def never_as_far_as_known() -> None:
    def known(said: Any) -> Any:
        marks = [mark for mark in said["never"]["matchers"] if mark["kind"] != "telepathy"]
        return {**said, "never": {**said["never"], "matchers": marks}}

    told_as(known)


@caught_by("bad_never_missing", ANOTHER_DOCUMENT)
def never_left_out() -> None:
    told_as(lambda said: {"never": {"categories": [], "signals": [], "matchers": []}, **said})


@caught_by("bad_version_missing", ANOTHER_DOCUMENT)
def version_left_out() -> None:
    told_as(lambda said: {"version": 1001, **said})


@caught_by("bad_lease_missing", ANOTHER_DOCUMENT)
def end_left_out() -> None:
    told_as(lambda said: {"lease_until": said["iat"] + 900, **said})


@caught_by("bad_strike_unreadable", ANOTHER_DOCUMENT)
def strikes_as_far_as_known() -> None:
    told_as(lambda said: {**said, "strikes": [one for one in said["strikes"] if "until" in one]})


@caught_by("bad_unmasked", ANOTHER_DOCUMENT)
def without_masking_unread() -> None:
    told_as(lambda said: {**said, "redaction": {**said["redaction"], "without": "deny"}})


@caught_by("bad_oversized", ANOTHER_DOCUMENT)
def of_any_size() -> None:
    put(sayso_agent.transport, LARGEST_ANSWER=2**40)
    for module in (sayso_agent.jws, sayso_agent.portal):
        put(module, MAX_TOKEN=2**40)


@caught_by("bad_garbage", ANOTHER_DOCUMENT)
def opens_where_it_cannot_read() -> None:
    accept, last = sayso_agent.agent.accept, []

    def open_hearted(*given: Any, **more: Any) -> Policy:
        try:
            last.append(accept(*given, **more))
        except PolicyRefusedError:
            return replace(last[-1], allow={("train-agents", "tracker"): {"mouse_click"}})
        return last[-1]

    put(sayso_agent.agent, accept=open_hearted)
    put(Keyring, must_look_for=lambda self, _token: self._manifest is None)


# --- keys ----------------------------------------------------------------------------------------


@caught_by("keys_older", THIEF)
def rollback() -> None:
    put(Home, manifest=lambda _self: KeptManifest())


@caught_by("keys_restarted", THIEF)
def rollback_by_a_restart() -> None:
    _forgets("manifest.json", asdict(KeptManifest()))


@caught_by("keys_revoked", THIEF)
def revocation() -> None:
    put(Manifest, keys_for=lambda self, kid, _wall: KeySet({kid: self.keys[kid].public}))


@caught_by("keys_other_root", THIEF)
def root() -> None:
    pinned = sayso_agent.keyring.Pinned
    put(sayso_agent.keyring, Pinned=lambda _root, *more: pinned(AnyText(), *more))


@caught_by("keys_other_portal", THIEF)
def manifest_of_any_portal() -> None:
    pinned = sayso_agent.keyring.Pinned
    put(sayso_agent.keyring, Pinned=lambda root, _issuer, *more: pinned(root, AnyText(), *more))


@caught_by("keys_other_type", THIEF)
def manifest_of_any_type() -> None:
    put(sayso_agent.manifest, header_of=_any_header())


@caught_by("keys_unlisted", THIEF)
def plain_key_set() -> None:
    keys_for, plainly = Manifest.keys_for, urllib.request.build_opener(_NO_PROXY)

    def careless(self: Manifest, kid: str, wall: float) -> KeySet:
        if kid in self.keys:
            return keys_for(self, kid, wall)
        with plainly.open(os.environ["SAYSO_JWKS_URL"]) as answer:
            return KeySet.parse(json.load(answer))

    put(Manifest, keys_for=careless, check_time=nothing)


_NO_PROXY = urllib.request.ProxyHandler({})


@caught_by("keys_ended", THIEF)
def end_of_a_key() -> None:
    put(Manifest, check_time=nothing)


@caught_by("keys_early", THIEF)
def begin_of_a_key() -> None:
    put(Manifest, check_time=nothing)


@caught_by("keys_expired", THIEF)
def end_of_a_manifest() -> None:
    accept = Manifest.accept

    def lasting(token: str, pinned: Any, *, wall: float) -> Manifest:
        return replace(accept(token, pinned, wall=0), expires_at=2**53)

    put(Manifest, accept=lasting)


# --- answers -------------------------------------------------------------------------------------


@caught_by("old_version", "arrived: what only the older policy allows")
def memory() -> None:
    put(Home, seen=lambda _self: Seen(0, 0))


@caught_by("restarted", "arrived: what only the older policy allows")
def memory_beyond_a_restart() -> None:
    _forgets("seen.json", asdict(Seen(0, 0)))


def _forgets(name: str, nothing_seen: Any) -> None:
    """Begin each run as if nothing had been seen yet."""
    if (path := Path(os.environ["SAYSO_STATE"]) / name).exists():
        write_json(path, nothing_seen)


@caught_by("redirect", "arrived: the agent's token, at another host")
def follows() -> None:
    request = Transport.request

    def following(self: Transport, method: str, url: str, **more: Any) -> Any:
        answer = request(self, method, url, **more)
        if answer.status != 302:
            return answer
        there = answer.headers["location"]
        return request(Transport(parse_origin(origin_of(there))), method, there, **more)

    put(Transport, request=following)


@caught_by("status_403", "arrived: what was waiting to be handed in")
def standing() -> None:
    put(Agent, stop=nothing)


@caught_by("status_403", "arrived: what was waiting to be handed in")
def standing_keeps() -> None:
    put(Agent, stop=lambda self, error: self.deny(error.code))


@caught_by("status_410", "arrived: what was waiting to be handed in")
def erased_keeps() -> None:
    put(Agent, stop=lambda self, error: self.deny(error.code))


@caught_by("status_401", "arrived: what happened after that answer")
def unknown_goes_on() -> None:
    trouble = sayso_agent.portal._trouble

    def careless(answer: Any, message: str) -> Exception:
        if answer.status == 401:
            return UnreachableError("portal_in_trouble", message)
        return trouble(answer, message)

    put(sayso_agent.portal, _trouble=careless)


@caught_by("status_426", "arrived: what happened after a 426")
def refusals_unread() -> None:
    put(sayso_agent.portal, UnexpectedAnswerError=UnreachableError)


@caught_by("changed", "arrived: a click between the change and the policy")
def change_unheard() -> None:
    failed = Agent.failed

    def unheard(self: Agent, error: Any) -> None:
        if error.code != "policy_changed":
            failed(self, error)

    put(Agent, failed=unheard)


@caught_by("polite", "wrong: it polls far more often")
def hurry() -> None:
    put(Runner, _interval=lambda _self, _came: 0.05)


@caught_by("not_held", "wrong: it asks again at once")
def believes_the_offer() -> None:
    put(Rhythm, pause=lambda *_, **__: 0.1)


@caught_by("polite", "wrong: /api/v1/policy is asked again")
def retry_after_unread() -> None:
    put(Backoff, failed=lambda _self, **_: 0.05)


@caught_by("allowance", "missing: an allowed click")
def deaf() -> None:
    put(Agent, obey=nothing)


# --- changes -------------------------------------------------------------------------------------


@caught_by("row", "wrong: it waits for changes, and does not obey within 3 s the last of 3")
def hears_the_first_alone() -> None:
    """Told of a change, or finding one: from then on it asks as often as the policy says."""
    pause, told = Rhythm.pause, set[str]()

    def seldom(self: Rhythm, came: Any, *, offered: float, poll_after: float) -> float:
        usual = pause(self, came, offered=offered, poll_after=poll_after)
        told.add(self._document)
        return poll_after if len(told) > 1 and not came.answer.held else usual

    put(Rhythm, pause=seldom)


@caught_by("row", "wrong: it waits for changes, and does not obey within 3 s the last of")
def hears_one_of_a_row() -> None:
    """What came between two polls is taken for a portal that holds none."""

    def doubt(self: Rhythm) -> float:
        return 1e9 if self._at_once else 0.0

    put(Rhythm, _doubt=doubt)


@caught_by("lost", "wrong: it waits for changes, and does not obey within 3 s the last of 1")
def rests_after_no_answer() -> None:
    put(Backoff, failed=lambda _self, **_: 10.0)
