"""What can be broken in the reference agent, each with the scenario that must notice, and what
that one must say. Applied in the agent's own process; see broken_agent.py.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import sayso_agent.agent
import sayso_agent.bucket
import sayso_agent.capture
import sayso_agent.fields
import sayso_agent.jws
import sayso_agent.keyring
import sayso_agent.matching
import sayso_agent.parts
import sayso_agent.policy
import sayso_agent.upload
from sayso_agent.agent import Agent
from sayso_agent.capture import Capture, Rules
from sayso_agent.event import Event
from sayso_agent.home import Home
from sayso_agent.jws import KeySet
from sayso_agent.lease import Instant, Lease
from sayso_agent.manifest import Manifest
from sayso_agent.marks import host_fit
from sayso_agent.matching import App, NoApp, WindowFacts
from sayso_agent.parts import Strikes
from sayso_agent.policy import Policy
from sayso_agent.run import Backoff, Runner
from sayso_agent.seen import KeptManifest, Seen
from sayso_agent.segment import Segment
from sayso_agent.spool import Spool, _Open
from sayso_agent.transport import Transport, origin_of, parse_origin
from sayso_agent.typed_text import Typed, TypedText
from sayso_agent.upload import Bandwidth, Uploader


@dataclass(frozen=True, slots=True)
class Break:
    """One thing broken, and by what it must be noticed."""

    scenario: str
    says: str  # part of what the scenario finds wrong
    apply: Callable[[], None]


BREAKS: dict[str, Break] = {}
REDACTION = import_module("sayso_agent.redact")  # the package has a function of that name


def caught_by(scenario: str, says: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a break under its function's name."""

    def register(apply: Callable[[], None]) -> Callable[[], None]:
        BREAKS[apply.__name__] = Break(scenario, says, apply)
        return apply

    return register


def nothing(*_: object, **__: object) -> Any:
    return 0


def put(owner: Any, **members: Any) -> None:
    """Replace members of a class or module."""
    for name, member in members.items():
        setattr(owner, name, member)


class AnyText(str):
    """A text that is the same as any other."""

    __slots__ = ()

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = str.__hash__


# --- leases and times --------------------------------------------------------------------------

_begin = Lease.begin


@caught_by("server_error", "arrived: a click after the lease")
def lease() -> None:
    put(Lease, begin=lambda policy, **more: replace(
        _begin(policy, **more), until=policy.lease_until + 1000))  # fmt: skip


@caught_by("aged", "is off by")
def undated() -> None:
    put(Lease, begin=lambda policy, *, asked, received, answered: _begin(
        policy, asked=asked, received=received))  # fmt: skip


@caught_by("announced", "arrived: a click whose lease ended before its bytes left")
def wall_clock_only() -> None:
    put(Lease, seconds_left=lambda self, at: self.until - at.wall)


@caught_by("clock_back", "arrived: a click after the lease")
def wall_clock_in_stamps_too() -> None:
    wall_clock_only()
    put(Lease, stamp=lambda self, at: round(self.portal_time(at), 3))


@caught_by("clock_ahead", "arrived: a click after the lease")
def monotonic_clock_only() -> None:
    def seconds_left(self: Lease, at: Instant) -> float:
        return self.began + (self.until - self.issued_at) - at.monotonic

    put(Lease, seconds_left=seconds_left)


@caught_by("started_again", "arrived: a click after the lease, as nothing new came")
def kept_policy_renewed() -> None:
    begun = Agent.__init__

    def begin(self: Agent, *given: Any, **more: Any) -> None:
        begun(self, *given, **more)
        if kept := self.home.policy():
            payload = json.loads(sayso_agent.jws.b64url_decode(kept["token"].split(".")[1]))
            policy, now = Policy.parse(payload), self.clock.now()
            term = policy.lease_until - policy.issued_at
            anew = replace(policy, issued_at=int(now.wall), lease_until=int(now.wall) + term)
            lease = Lease.begin(anew, asked=now.monotonic, received=now.monotonic)
            self.capture.change(Rules(anew, lease), now)

    put(Agent, __init__=begin)


@caught_by("bad_lease_long", "arrived: what only that document allows")
def long_lease() -> None:
    put(sayso_agent.policy, LONGEST_LEASE=2**40)


@caught_by("hours", "arrived: a click after working hours")
def schedule() -> None:
    put(Policy, in_hours=lambda *_: True)


# --- documents and answers -----------------------------------------------------------------------


@caught_by("old_version", "arrived: what only the older policy allows")
def memory() -> None:
    put(Home, seen=lambda _self: Seen(0, 0))


@caught_by("bad_said_twice", "arrived: what only that document allows")
def members_twice() -> None:
    put(sayso_agent.jws, _once=dict)


@caught_by("bad_type", "arrived: what only that document allows")
def type_unread() -> None:
    _any_header()


@caught_by("bad_critical", "arrived: what only that document allows")
def critical_unread() -> None:
    _any_header()


def _any_header() -> None:
    def header_of(token: str, *, typ: str) -> Any:
        return json.loads(sayso_agent.jws.b64url_decode(token.split(".", maxsplit=1)[0]))

    put(sayso_agent.jws, header_of=header_of)


@caught_by("bad_issuer", "arrived: what only that document allows")
def issuer() -> None:
    expected = sayso_agent.agent.Expected
    put(sayso_agent.agent, Expected=lambda _issuer, *more: expected(AnyText(), *more))


@caught_by("keys_older", "arrived: what only the thief's policy allows")
def rollback() -> None:
    put(Home, manifest=lambda _self: KeptManifest())


@caught_by("keys_revoked", "arrived: what only the thief's policy allows")
def revocation() -> None:
    put(Manifest, keys_for=lambda self, kid, _wall: KeySet({kid: self.keys[kid].public}))


@caught_by("keys_other_root", "arrived: what only the thief's policy allows")
def root() -> None:
    pinned = sayso_agent.keyring.Pinned
    put(sayso_agent.keyring, Pinned=lambda _root, *more: pinned(AnyText(), *more))


@caught_by("status_403", "arrived: what was waiting to be handed in")
def standing() -> None:
    put(Agent, stop=nothing)


@caught_by("status_403", "arrived: what was waiting to be handed in")
def standing_keeps() -> None:
    put(Agent, stop=lambda self, error: self.deny(error.code))


@caught_by("changed", "arrived: a click between the change and the policy")
def change_unheard() -> None:
    failed = Agent.failed

    def unheard(self: Agent, error: Any) -> None:
        if error.code != "policy_changed":
            failed(self, error)

    put(Agent, failed=unheard)


@caught_by("polite", "wrong: it polls far more often")
def hurry() -> None:
    put(Runner, _interval=lambda _self: 0.05)


@caught_by("polite", "wrong: /api/v1/policy is asked again")
def retry_after_unread() -> None:
    put(Backoff, failed=lambda _self, **_: 0.05)


@caught_by("allowance", "missing: an allowed click")
def deaf() -> None:
    put(Agent, obey=nothing)


# --- windows and people --------------------------------------------------------------------------


@caught_by("allowance", "arrived: a title beside a window that is not")
def bystanders() -> None:
    put(Capture, _in_sight=lambda _self, _policy, _event: set())


@caught_by("allowance", "arrived: a host that only ends alike")
def host() -> None:
    put(sayso_agent.matching, host_fit=lambda mark, host: 5 * host.endswith(mark.lstrip("*.")))


@caught_by("allowance", "arrived: a password")
def secure() -> None:
    unfit = sayso_agent.capture._unfit

    def careless(event: Event) -> str:
        reason = unfit(event)
        return "" if reason in {"secure_input", "field_unknown"} else reason

    put(sayso_agent.capture, _unfit=careless)


@caught_by("marks", "arrived: a browser, and nobody says which page it shows")
def browser() -> None:
    usable = sayso_agent.matching._usable

    def careless(app: App, *more: Any) -> App | NoApp:
        found = usable(app, *more)
        return app if found == NoApp("page_unknown") else found

    put(sayso_agent.matching, _usable=careless)


@caught_by("marks", "arrived: a program by another signer")
def signer() -> None:
    fit, same = sayso_agent.matching._fit, sayso_agent.matching._same

    def careless(app: App, facts: WindowFacts) -> int:
        return fit(app, facts) if facts.host else any(same(mark, facts) for mark in app.matchers)

    put(sayso_agent.matching, _fit=careless)


@caught_by("marks", "arrived: a window that fits two apps alike")
def ambiguous() -> None:
    find = sayso_agent.matching.find_app

    def careless(facts: WindowFacts, apps: Any, *never: Any, **more: Any) -> App | NoApp:
        found = find(facts, apps, *never, **more)
        return next(iter(apps.values())) if found == NoApp("ambiguous_app") else found

    put(sayso_agent.policy, find_app=careless)


@caught_by("never_wide", "arrived: bank.example where *.bank.example is never captured")
def never_without_parent() -> None:
    put(sayso_agent.matching, host_closed=lambda mark, host: bool(host_fit(mark, host)))


@caught_by("never_wide", "arrived: a page of which a further name is never captured")
def aliases() -> None:
    closed = sayso_agent.matching._closed
    put(sayso_agent.matching,
        _closed=lambda facts, *more: closed(replace(facts, aliases=()), *more))  # fmt: skip


@caught_by("built_in", "arrived: an app of the category health")
def never_as_told() -> None:
    for module in (sayso_agent.matching, sayso_agent.policy, sayso_agent.capture):
        for name in {"NEVER_CATEGORIES", "NEVER_SIGNALS"} & set(vars(module)):
            setattr(module, name, frozenset())


@caught_by("built_in", "arrived: a title beside a window that is not allowed")
def visible_as_told() -> None:
    put(sayso_agent.parts, SHOWS_OTHER_WINDOWS=frozenset())


@caught_by("built_in", "arrived: a message in a call")
def bystanders_as_told() -> None:
    put(sayso_agent.parts, SHOWS_BYSTANDERS=frozenset())


@caught_by("shared_machine", "arrived: a click, and nobody says whose session it is of")
def sessions() -> None:
    put(Capture, _own_account=property(lambda _self: True, lambda _self, _said: None))


@caught_by("private_unknown", "arrived: a click, and nobody says whether its window is private")
def private() -> None:
    put(WindowFacts, might_be_private=lambda *_: False)


@caught_by("bystanders", "arrived: a message in a call")
def calls() -> None:
    put(Policy, others_object=lambda *_: "")


# --- content -------------------------------------------------------------------------------------


@caught_by("masking", "arrived: an IBAN")
def iban() -> None:
    put(REDACTION, _mask_ibans=lambda text: text)


@caught_by("masking", "arrived: a phone number")
def phone() -> None:
    put(REDACTION, _PHONE=re.compile("(?!)"))


@caught_by("typed", "arrived: a card number")
def typed_by_pieces() -> None:
    def take(_self: object, event: Event, app: str, *, stamp: float, read: Instant) -> Any:
        yield Typed(app, REDACTION.redact(event.data["text"]), stamp, read)

    put(TypedText, take=take)


@caught_by("typed", "arrived: a card number")
def typed_in_halves() -> None:
    def cut(self: TypedText) -> Iterator[Typed]:
        if piece := self._piece:
            yield Typed(piece.app, REDACTION.redact(piece.text), piece.stamp, piece.read)
            self._piece = None

    put(TypedText, cut=cut)


@caught_by("fields", "arrived: which letter a key is")
def letters() -> None:
    sayso_agent.fields.SHAPES["key_meta"]["key"] = lambda value: value  # type: ignore[index]


@caught_by("fields", "arrived: a text, in a member")
def members() -> None:
    _more_than_reduced(lambda _signal, name: name != "text")


@caught_by("fields", "arrived: a text, in a member")
def text_in_a_click() -> None:
    _more_than_reduced(lambda signal, name: signal in {"mouse_click", "scroll"} and name == "text")


def _more_than_reduced(leaves: Callable[[str, str], bool]) -> None:
    reduce = sayso_agent.fields.reduce

    def careless(signal: str, data: Any) -> Any:
        kept = reduce(signal, data)
        more = {name: value for name, value in data.items() if leaves(signal, name)}
        return None if kept is None else {**more, **kept}

    put(sayso_agent.capture, reduce=careless)


# --- what must go --------------------------------------------------------------------------------


@caught_by("withdrawn", "arrived: what waited when it was ended")
def purge() -> None:
    put(Spool, purge=nothing)


@caught_by("paused_since", "arrived: what happened after the person had paused")
def beyond_the_pause() -> None:
    put(Policy, _in_the_pause=lambda *_: False)


@caught_by("struck", "arrived: what was struck")
def strikes() -> None:
    put(Strikes, cover=lambda *_: False)


@caught_by("struck", "refused by the portal: ['struck'")
def batch_over_a_strike() -> None:
    put(Strikes, side=lambda *_: 0)


@caught_by("embargo", "arrived: what is under embargo")
def embargo() -> None:
    release = sayso_agent.agent.Release
    put(sayso_agent.agent,
        Release=lambda *, until, **more: release(until=until + 1e9, **more))  # fmt: skip


@caught_by("outdated", "arrived: what had waited for too long")
def outdated() -> None:
    limits = sayso_agent.parts.read_limits
    put(sayso_agent.parts, read_limits=lambda said: replace(limits(said), spool_seconds=2**40))
    put(sayso_agent.agent, LONGEST_SPOOLED=2**40)


@caught_by("at_rest", "in clear: what waits")
def clear_spool() -> None:
    write = Spool._write_line

    def careless(self: Spool, cipher: Any, batch: str, number: int, content: Any) -> None:
        write(self, cipher, batch, number, content)
        with (self._folder.parent / "clear.txt").open("a") as file:
            file.write(json.dumps(content) + "\n")

    put(Spool, _write_line=careless)


@caught_by("acknowledged", "wrong: `purged` is said while what waited lies there")
def purged_unseen() -> None:
    put(Agent, _spool_is_clean=lambda _self: True)


@caught_by("acknowledged", "missing: an acknowledgement of each version")
def unacknowledged() -> None:
    put(Agent, owed=lambda _self: None)


# --- batches -------------------------------------------------------------------------------------


@caught_by("allowance", "missing: a list of every window beside the title")
def unlisted() -> None:
    put(sayso_agent.upload, _visible=lambda _segment: {})


@caught_by("elsewhere", "arrived: bytes, at a host that the policy does not name")
def elsewhere() -> None:
    put(sayso_agent.bucket.Bucket,
        _to=lambda _self, url, _allowed: Transport(parse_origin(origin_of(url))))  # fmt: skip


@caught_by("limits", "wrong: a batch of more bytes")
def batches_of_any_size() -> None:
    put(_Open, takes=lambda *_: True)


@caught_by("limits", "wrong: more bytes than the policy's bandwidth")
def bandwidth() -> None:
    put(Bandwidth, over=lambda *_: 0.0)


@caught_by("announced", "arrived: a click whose lease ended before its bytes left")
def sends_without_policy() -> None:
    put(Agent, may_send=lambda _self: True, in_force=lambda _self: True)


@caught_by("once", "twice: the same events")
def another_name() -> None:
    made = sayso_agent.upload.manifest

    def anew(segment: Segment) -> dict[str, Any]:
        return {**made(segment), "batch": str(uuid.uuid4())}

    put(sayso_agent.upload, manifest=anew)


@caught_by("once", "arrived: what the portal had refused")
def refused_again() -> None:
    put(Uploader, _refused=nothing)
