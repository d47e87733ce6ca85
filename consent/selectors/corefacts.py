"""What the core is told of a person and of apps: from a cohort's document and what stands."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from consent.policy.clocks import LocalDay, clocks_of, local_days
from consent.policy.facts import Agreement, AppFacts, PersonFacts
from consent.policy.hours import Schedule, State
from consent.policy.rulebook import Rulebook
from consent.policy.types import AppCategory, ConsentState, DataOf, Signal
from consent.selectors.answers import Answer
from consent.selectors.days import KEPT, day_in
from consent.selectors.documents import clocked_by
from consent.selectors.shared import agreements_of_others, lifted_signals

if TYPE_CHECKING:
    from consent.selectors.decisions import Standing


def person_facts(
    shared: Mapping[str, Any],
    code: str,
    standing: "Standing",
    rules: Rulebook,
    *,
    at: datetime,
    local: LocalDay,
    hours: State | None = None,
) -> PersonFacts:
    """Return what the core is told about one person and one purpose of their cohort's document.

    Of the days that it is now in their places it is told one. Without `hours` it counts as within
    them.
    """
    purpose, places, today = shared["purposes"][code], shared["jurisdictions"], local.day
    answer, version = standing.answers.get(code), purpose["notice_version"]
    said = day_in(purpose, today)
    told_on = _told_on(_published_on(purpose, local), standing.arrived)
    return PersonFacts(
        jurisdictions=frozenset(places),
        at=today,
        consent=answer.state if answer else ConsentState.UNKNOWN,
        consent_given_on=local.earliest(answer.at) if answer else None,
        notice_on=told_on,
        notice_waived=_waived(standing, answer, version, told_on),
        notice_version_ok=_answered_newest(answer, version),
        ack=bool(answer and (answer.purpose, version) in standing.acknowledged),
        gates=said.evidence,
        overrides=lifted_signals(places, said.exceptions, rules),
        exceptions=said.exceptions,
        departed=standing.departs_at is not None and standing.departs_at <= at,
        in_hours=hours.on if hours else True,
        hours_turn=hours.turns_at if hours else None,
        paused=standing.paused,
        killed=code in standing.stops,
        agent_standing=standing.agent,
        agreements=said.agreements,
        counsel_signed_off=said.signed_off,
        own_retention_days=purpose["retention_days"],
    )


def schedules_on(
    shared: Mapping[str, Any], purpose: Mapping[str, Any], at: datetime
) -> frozenset[Schedule]:
    """Return the working hours that bind on any of the days that it is in the person's places."""
    days = (local.day for local in local_days(clocked_by(shared), at))
    return frozenset[Schedule]().union(*(day_in(purpose, day).schedules for day in days))


# With the purpose itself: as long as it is held no other one can have its identity.
_elsewhere: Final[dict[int, tuple[Mapping[str, Any], tuple[frozenset[str], ...]]]] = {}


def places_of_others_in(
    shared: Mapping[str, Any], purpose: Mapping[str, Any]
) -> tuple[frozenset[str], ...]:
    """Return the sets of places of others whose words apps of the purpose show, each set once.

    Without those where it never is another day than in the person's own places. Worked out once
    for all who share the document, like what it says on a day.
    """
    known = _elsewhere.get(id(purpose))
    if known and known[0] is purpose:
        return known[1]
    apps, own = shared["apps"], clocks_of(clocked_by(shared))
    shown = {counterparties_of(apps[code]) for code in purpose["allowlist"] if code in apps}
    other = (codes for codes in shown if codes and clocks_of(clocked_by(shared, codes)) != own)
    found = tuple(sorted(other, key=sorted))
    if len(_elsewhere) >= KEPT:
        _elsewhere.clear()
    _elsewhere[id(purpose)] = purpose, found
    return found


def _published_on(purpose: Mapping[str, Any], local: LocalDay) -> date | None:
    """Return the last day that it was, by these clocks, when the newest notice was published."""
    published = purpose["notice_at"]
    return local.latest(datetime.fromisoformat(published)) if published else None


def _told_on(published: date | None, arrived: date | None) -> date | None:
    """Return from which day a notice period runs; None where there is no notice to be told of."""
    return max(published, arrived) if published and arrived else published


def _waived(
    standing: "Standing", answer: Answer | None, version: int | None, told_on: date | None
) -> bool:
    """Say whether somebody agreed to less notice, of this version and of this very period.

    After a move, or a new notice, it is another period, and takes another agreement.
    """
    if answer is None or version is None or told_on is None:
        return False
    since = standing.waived.get((answer.purpose, version))
    return since is not None and since >= told_on


def _answered_newest(answer: Answer | None, version: int | None) -> bool:
    """Say whether an answer is one to the newest notice; for whoever gave none, none is outdated.

    Who has not answered has no consent, and that denies.
    """
    if answer is None or answer.state in {ConsentState.UNKNOWN, ConsentState.REQUESTED}:
        return True
    return version is not None and answer.notice_version == version


def willing(person: PersonFacts, purpose: Mapping[str, Any]) -> PersonFacts:
    """Return the facts of somebody who said yes today, by the newest notice, and confirmed it.

    And who agreed to a shorter notice, for what that is worth. Where there is no notice nobody can
    have answered it.
    """
    published = purpose["notice_version"] is not None
    return replace(
        person,
        consent=ConsentState.GIVEN,
        consent_given_on=person.today,
        notice_version_ok=published,
        notice_waived=published,
        ack=published,
    )


def asked_pairs(purpose: Mapping[str, Any]) -> set[tuple[str, Signal]]:
    """Return every app and signal that a purpose of a document asks for."""
    listed = purpose["allowlist"]
    return {(app, Signal(signal)) for app in listed for signal in listed[app]}


def app_facts(
    shared: Mapping[str, Any],
    purpose: Mapping[str, Any],
    days: Collection[date],
    *,
    listed_only: bool = False,
) -> tuple[AppFacts, ...]:
    """Return what the core is told about each app of a document, for one of its purposes.

    Of colleagues' agreements, each that binds on one of the days. `listed_only`: only those that
    the purpose asks for.
    """
    apps = shared["apps"]
    codes = [code for code in purpose["allowlist"] if code in apps] if listed_only else apps
    return tuple(
        AppFacts(
            app=code,
            app_allowed=code in purpose["allowlist"],
            listed_signals=frozenset(map(Signal, purpose["allowlist"].get(code, ()))),
            app_category=AppCategory(app["category"]),
            app_reported=app["blocked"],
            counterparties=counterparties_of(app),
            agreements_of_others=_of_others(app, purpose, days),
            # No agent drops the words of others, so nobody's tick in the registry says it (ADR 28).
            counterparty_masked=None,
        )
        for code, app in ((code, apps[code]) for code in codes)
    )


def _of_others(
    app: Mapping[str, Any], purpose: Mapping[str, Any], days: Collection[date]
) -> tuple[Agreement, ...]:
    found = (agreements_of_others(app, purpose, day) for day in days)
    return tuple(dict.fromkeys(paper for papers in found for paper in papers))


def counterparties_of(app: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the places of those whose words an app shows; None, a gap that denies, if not known.

    An app that shows only one's own data shows nobody else's words. One that shows others' has
    them somewhere: an empty list of places is no knowledge either.
    """
    if app["data_of"] == DataOf.OWN:
        return frozenset()
    return frozenset(app.get("counterparties") or ()) or None
