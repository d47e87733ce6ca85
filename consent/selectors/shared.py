"""What a cohort's document says on a day: evidence, agreements in force, exceptions, terms.

No database: a document and its rulebook in, facts for the pure core out.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from consent.policy.evaluate import retention_days
from consent.policy.facts import Agreement, Evidence, PersonFacts
from consent.policy.hours import Schedule
from consent.policy.rulebook import Rulebook
from consent.policy.types import Signal

Purposed = Mapping[str, Any]
"""One purpose of a cohort's document."""

COUNSEL_GATE: Final = "counsel_signoff"
"""The gate by whose evidence counsel signs a jurisdiction of low confidence off."""


AGREEMENTS: Final = (
    "agreements",
    "silent_agreements",
    "agreements_of_others",
    "silent_agreements_of_others",
)
"""What a purpose of a document says of agreements: those that speak of it, and those about the
same people, or their colleagues, that name other purposes or sites only."""


def evidence_of(purpose: Purposed) -> frozenset[Evidence]:
    """Return the evidence for gates, whether or not it counts today, each for its own place."""
    return frozenset(
        Evidence(
            jurisdiction=item["jurisdiction"],
            gate=item["gate"],
            valid_from=since,
            valid_until=until,
            not_applicable=item.get("not_applicable", False),
        )
        for item in purpose["gates"]
        for since, until in spans_of(item)
    )


def signed_off(purpose: Purposed, today: date) -> frozenset[str]:
    """Return the jurisdictions of low confidence that counsel has signed off, as of today."""
    return frozenset(
        item["jurisdiction"]
        for item in _in_force(purpose["gates"], today)
        if item["gate"] == COUNSEL_GATE
    )


def agreements_of(purpose: Purposed, today: date) -> tuple[Agreement, ...]:
    """Return the agreements that bind: begun, and not replaced by one that has begun.

    One whose last day is over and that nothing replaced still binds, and covers nothing. Nor does
    one that names other purposes or other sites only, where no agreement of its place speaks of
    this purpose to these people that was first or completes it.
    """
    return _agreements(purpose["agreements"], purpose.get("silent_agreements", ()), today)


def agreements_of_others(
    app: Mapping[str, Any], purpose: Purposed, today: date
) -> tuple[Agreement, ...]:
    """Return the agreements that bind for the colleagues whose words an app shows."""
    codes = app.get("agreements_of_others", ())
    speaking, silent = (
        [item for item in purpose.get(key, ()) if item["code"] in codes]
        for key in ("agreements_of_others", "silent_agreements_of_others")
    )
    # Of each its places where such colleagues are: one more place of theirs must lift no silence.
    there = app.get("places_of_others")
    if there is not None:
        silent = [{**item, "places": set(there).intersection(item["places"])} for item in silent]
    return _agreements(speaking, silent, today)


def _agreements(
    speaking: Iterable[Mapping[str, Any]], silent: Iterable[Mapping[str, Any]], today: date
) -> tuple[Agreement, ...]:
    binding = [item for item in speaking if _binds(item, today)]
    mute = [item for item in silent if _binds(item, today) and not _is_lifted(item, binding)]
    return (
        *map(_agreement, binding),
        *(Agreement(name=item["code"], signals=frozenset()) for item in mute),
    )


def _is_lifted(silent: Mapping[str, Any], binding: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether agreements speak for every place of one that says nothing here, and may.

    Where a document does not say which may, it is from when all did.
    """
    may = silent.get("lifted_by")
    speaking = [item for item in binding if may is None or item["code"] in may]
    spoken = {place for item in speaking for place in item.get("places", ())}
    return spoken.issuperset(silent["places"])


def _agreement(item: Mapping[str, Any]) -> Agreement:
    return Agreement(
        name=item["code"],
        apps=frozenset(item["apps"]) or None,
        signals=frozenset(Signal(s) for s in item["signals"]) or None,
        retention_days=item["retention_cap_days"],
        valid_from=day_of(item["from"]),
        valid_until=day_of(item["until"]),
    )


def schedules_of(purpose: Purposed, today: date) -> frozenset[Schedule]:
    """Return the working hours that bind: the organisation's own, and those of agreements begun.

    None at all says that recording is not bound to hours.
    """
    entries = [*purpose.get("hours", ())]
    for item in purpose["agreements"]:
        if "hours" in item and _binds(item, today):
            entries += item["hours"]
    return frozenset(map(_schedule, entries))


def schedule_entry(schedule: Schedule) -> dict[str, Any]:
    """Return hours as a document has them."""
    return {
        "zone": schedule.zone,
        "windows": [list(window) for window in sorted(schedule.windows)],
        "holidays": sorted(schedule.holidays),
    }


def _schedule(entry: Mapping[str, Any]) -> Schedule:
    windows = frozenset((day, start, end) for day, start, end in entry["windows"])
    return Schedule(entry["zone"], windows, frozenset(entry["holidays"]))


def overridden(purpose: Purposed, today: date) -> frozenset[tuple[str, Signal]]:
    """Return the exceptions in force today, each with the place whose rule it names."""
    return frozenset(
        (item["jurisdiction"], Signal(item["signal"]))
        for item in _in_force(purpose["overrides"], today)
    )


def lifted_signals(
    jurisdictions: Iterable[str], granted: frozenset[tuple[str, Signal]], rules: Rulebook
) -> frozenset[Signal]:
    """Return the signals whose restriction is lifted in every one of the places that has it.

    For a place's own rule the exception names it; for a parent's rule, the place or the parent.
    """
    codes = tuple(jurisdictions)
    return frozenset(
        signal
        for signal in {signal for _, signal in granted}
        if all(
            (row.code, signal) in granted or (code, signal) in granted
            for code in codes
            for row in rules.lineage(code)
            if signal in row.own.restricted_signals
        )
    )


def kept_days(
    jurisdictions: Iterable[str], purpose: Purposed, rules: Rulebook, today: date
) -> dict[str, int]:
    """Return how long each signal may be kept at most, whoever may record it today.

    Empty where no rule of the places is known: then nothing new may be recorded, and there is no
    shorter term for what is held.
    """
    codes = frozenset(jurisdictions)
    person = PersonFacts(
        jurisdictions=codes,
        at=today,
        agreements=agreements_of(purpose, today),
        own_retention_days=purpose["retention_days"],
    )
    bounds = rules.law(codes, today).bounds
    found = {signal: retention_days(person, bounds, signal, rules) for signal in Signal}
    return {signal.value: days for signal, days in found.items() if days is not None}


def ends_of(
    jurisdictions: Iterable[str], retired: Mapping[str, datetime], rules: Rulebook, today: date
) -> dict[str, int]:
    """Return by when, in seconds, what is held for each retired purpose must be gone.

    Empty where no rule of the places says how soon after its purpose; then its own term counts.
    """
    bounds = rules.law(frozenset(jurisdictions), today).bounds
    if bounds is None or bounds.delete_after_purpose_days is None:
        return {}
    time = timedelta(days=bounds.delete_after_purpose_days)
    return {code: int((since + time).timestamp()) for code, since in retired.items()}


def turning_days(document: Mapping[str, Any], rules: Rulebook) -> Iterator[date]:
    """Yield the days, past ones included, on which something shared changes by itself."""
    yield from rules.turning_days(document["jurisdictions"])
    for purpose in document["purposes"].values():
        yield from dated_in(purpose)


def dated_in(purpose: Purposed) -> Iterator[date]:
    """Yield the days on which evidence, agreements and exceptions of a purpose begin or end."""
    lists = ("gates", "overrides", *AGREEMENTS)
    for item in (item for name in lists for item in purpose.get(name, ())):
        for window in item.get("within", ()):
            yield from (date.fromisoformat(text) for text in window if text)
        for key in ("from", "until", "replaced_on"):
            if day := day_of(item.get(key)):
                yield day


def day_of(text: str | None) -> date | None:
    """Read a day as the document has it."""
    return date.fromisoformat(text) if text else None


def spans_of(item: Mapping[str, Any]) -> Iterator[tuple[date, date | None]]:
    """Yield from when until when an entry counts; that of an agreement's document has windows."""
    since, until = date.fromisoformat(item["from"]), day_of(item["until"])
    for begun, ended in item.get("within", [[None, None]]):
        first = max(since, day_of(begun) or since)
        last = min((day for day in (until, day_of(ended)) if day), default=None)
        if last is None or first < last:
            yield first, last


def _in_force(items: Iterable[dict[str, Any]], today: date) -> Iterator[dict[str, Any]]:
    for item in items:
        if any(since <= today and (not until or today < until) for since, until in spans_of(item)):
            yield item


def _binds(agreement: Mapping[str, Any], today: date) -> bool:
    return _begun(agreement["from"], today) and not _begun(agreement["replaced_on"], today)


def _begun(text: str | None, today: date) -> bool:
    return text is not None and date.fromisoformat(text) <= today
