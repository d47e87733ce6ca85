"""What can be broken in how the reference agent captures and hands in, each with the scenario that
must notice, and what that one must say.
"""

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import sayso_agent.agent
import sayso_agent.bucket
import sayso_agent.capture
import sayso_agent.fields
import sayso_agent.matching
import sayso_agent.parts
import sayso_agent.policy
import sayso_agent.upload
from breaking import caught_by, nothing, put, read_as
from sayso_agent.agent import Agent
from sayso_agent.capture import Capture
from sayso_agent.event import Event
from sayso_agent.lease import Instant
from sayso_agent.marks import host_fit
from sayso_agent.matching import App, NoApp, WindowFacts, readable
from sayso_agent.parts import Never, Strikes
from sayso_agent.policy import Policy
from sayso_agent.segment import Segment
from sayso_agent.spool import Spool, _Open
from sayso_agent.transport import Transport, origin_of, parse_origin
from sayso_agent.typed_text import Typed, TypedText
from sayso_agent.upload import Bandwidth, Uploader

REDACTION = import_module("sayso_agent.redact")  # the package has a function of that name


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


@caught_by("no_session", "arrived: a click, and no session may be captured")
def any_session() -> None:
    read_as(own_session=True)


@caught_by("matcher_unknown", "arrived: an app with a mark that nobody knows")
def marks_as_far_as_known() -> None:
    put(sayso_agent.parts,
        App=lambda code, name, category, marks: App(
            code, name, category, tuple(mark for mark in marks if readable([mark]))))  # fmt: skip


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


@caught_by("masking_unknown", "arrived: a text whose masking no agent has")
def masked_as_well_as_it_can() -> None:
    read_as(profiles={})


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


@caught_by("deny_beats_allow", "arrived: what waited when it was ended")
def denials() -> None:
    read_as(deny=())


@caught_by("never_beats_allow", "arrived: what waited when it was ended")
def never() -> None:
    read_as(never=Never(frozenset(), frozenset(), ()))


@caught_by("paused", "arrived: a click while the person pauses")
def pauses() -> None:
    read_as(paused=False)


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


@caught_by("brought", "missing: a batch, at the host that the policy names")
def nowhere_else() -> None:
    read_as(uploads=frozenset())


@caught_by("brought", "arrived: the agent's token, at another host")
def token_for_everybody() -> None:
    request = Transport.request

    def careless(self: Transport, *asked: Any, headers: Any = None, **more: Any) -> Any:
        token = {"Authorization": f"Bearer {os.environ['SAYSO_TOKEN']}"}
        return request(self, *asked, headers={**(headers or {}), **token}, **more)

    put(Transport, request=careless)


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
