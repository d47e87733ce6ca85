"""The papers and records behind an answer: consent, notice, evidence, agreements, switches.

Each is shown as it stood at the instant asked about. Nothing here decides anything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

from consent.models import (
    Acknowledgement,
    Agent,
    Agreement,
    AllowlistEntry,
    ConsentEvent,
    Departure,
    GateEvidence,
    KillSwitch,
    Notice,
    NoticeWaiver,
    Pause,
    SignalOverride,
    Subject,
)
from consent.selectors.hands import Hand, hands_of
from consent.selectors.shared import day_of, spans_of

Item = Mapping[str, Any]
"""One entry of a cohort's document."""


DELISTED: Final = "delisted"
REVOKED: Final = "revoked"
"""What happened to an app, or to a machine."""


class Kind(StrEnum):
    """What a ground is."""

    CONSENT = "consent"
    NOTICE = "notice"
    ACKNOWLEDGEMENT = "acknowledgement"
    WAIVER = "waiver"
    EVIDENCE = "evidence"
    AGREEMENT = "agreement"
    EXCEPTION = "exception"
    PAUSE = "pause"
    SWITCH = "switch"
    APP = "app"
    AGENT = "agent"
    DEPARTURE = "departure"


class Counts(StrEnum):
    """Whether a paper counted on that day."""

    YES = "in_force"
    NOT_YET = "not_yet"
    NO_LONGER = "lapsed"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """One paper or record; what does not apply to its kind is left empty."""

    kind: Kind
    code: str = ""
    """The state of a consent, a gate, an agreement's code, a signal, the reason of a switch."""
    title: str = ""
    jurisdiction: str = ""
    version: int | None = None
    since: date | None = None
    """A day, or an instant where one is recorded."""
    until: date | None = None
    counts: Counts | None = None
    sha256: str = ""
    note: str = ""
    hands: tuple[Hand, ...] = ()
    """Who asked for evidence or an exception, and who agreed to it."""

    def as_json(self) -> dict[str, Any]:
        """Return what is there, ready for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in values.items() if value not in NOTHING}


NOTHING: Final[tuple[object, ...]] = (None, "", ())


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [hand.as_json() for hand in value]
    return value.isoformat() if isinstance(value, date) else value


def consent_then(subject: Subject, purpose: str, at: datetime) -> ConsentEvent | None:
    """Return the decision that stood at an instant; None means the person was not asked."""
    events = ConsentEvent.objects.select_related("notice").filter(
        subject=subject, purpose__code=purpose
    )
    if at < timezone.now():
        events = events.filter(event_time__lte=at)
    return events.order_by("-position").first()


def consent(event: ConsentEvent | None) -> Iterator[Ground]:
    """Yield the decision: when it was made, and which notice was shown."""
    if event:
        yield Ground(
            kind=Kind.CONSENT,
            code=event.state,
            since=event.event_time,
            until=event.valid_until,
            version=event.notice.version,
            note="imported" if event.imported else "",
        )


def notice(purpose: str, version: int) -> Iterator[Ground]:
    """Yield the notice of that version."""
    for found in Notice.objects.filter(purpose__code=purpose, version=version):
        yield Ground(
            kind=Kind.NOTICE, version=version, since=found.published_at, sha256=found.sha256
        )


def acknowledgement(subject: Subject, purpose: str, version: int) -> Iterator[Ground]:
    """Yield that the person confirmed the notice of that version."""
    for found in Acknowledgement.objects.filter(
        subject=subject, notice__purpose__code=purpose, notice__version=version
    ):
        yield Ground(kind=Kind.ACKNOWLEDGEMENT, version=version, since=found.acknowledged_at)


def waiver(subject: Subject, purpose: str, version: int, at: datetime) -> Iterator[Ground]:
    """Yield what the person had said by then about a shorter notice: agreed, or taken back."""
    rows = NoticeWaiver.objects.filter(
        subject=subject, notice__purpose__code=purpose, notice__version=version
    )
    if at < timezone.now():
        rows = rows.filter(event_time__lte=at)
    for row in rows.order_by("-pk")[:1]:
        counts = Counts.YES if row.agreed else Counts.TAKEN_BACK
        yield Ground(kind=Kind.WAIVER, version=version, since=row.event_time, counts=counts)


def evidence(
    purpose: str, items: Iterable[Item], at: datetime, days: Sequence[date]
) -> list[Ground]:
    """Return the documents behind entries of `gates`, with their hashes."""
    found: list[tuple[GateEvidence, Counts]] = []
    for item in items:
        rows = GateEvidence.objects.filter(
            purpose__code=purpose,
            gate=item["gate"],
            jurisdiction=item["jurisdiction"],
            valid_from=item["from"],
            valid_until=item["until"],
        ).filter(_not_taken_back(at))
        counts = _counts(item, days)
        found += [(row, counts) for row in rows.select_related("purpose")]
    return _once(_documents(found))


def taken_back(
    purpose: str, gates: Iterable[str], places: Iterable[str], at: datetime
) -> list[Ground]:
    """Return the documents for these gates that had been taken back by then."""
    rows = GateEvidence.objects.filter(
        purpose__code=purpose,
        gate__in=list(gates),
        jurisdiction__in=list(places),
        reopening__recorded_at__lte=at,
    )
    found = rows.select_related("purpose").order_by("pk")
    return _documents([(row, Counts.TAKEN_BACK) for row in found])


def agreements(items: Iterable[Item], days: Sequence[date]) -> list[Ground]:
    """Return the agreements behind entries of `agreements`."""
    wanted = {item["code"]: item for item in items}
    return [
        Ground(
            kind=Kind.AGREEMENT,
            code=row.code,
            title=row.title,
            since=row.valid_from,
            until=row.valid_until,
            counts=_counts(wanted[row.code], days),
            sha256=row.document_sha256,
        )
        for row in Agreement.objects.filter(code__in=wanted)
    ]


def exceptions(
    purpose: str, signal: str, places: Iterable[str], at: datetime, days: Sequence[date]
) -> list[Ground]:
    """Return the signed exceptions for a signal in these places, whether they counted or not."""
    rows = SignalOverride.objects.filter(
        purpose__code=purpose, signal=signal, jurisdiction__in=list(places)
    )
    if at < timezone.now():
        rows = rows.filter(recorded_at__lte=at)
    known = list(rows.select_related("purpose").order_by("pk"))
    hands = hands_of(known)
    return [
        Ground(
            kind=Kind.EXCEPTION,
            code=row.signal,
            note=row.reason,
            hands=hands[row.pk],
            title=row.document_title,
            jurisdiction=row.jurisdiction,
            since=row.valid_from,
            until=row.valid_until,
            counts=_span(row.valid_from, row.valid_until, days),
            sha256=row.document_sha256,
        )
        for row in known
    ]


def pauses(subject: Subject, at: datetime) -> Iterator[Ground]:
    """Yield the pause that stood then."""
    rows = Pause.objects.filter(subject=subject)
    standing = Q(ended_at__isnull=True)
    if at < timezone.now():
        standing = Q(started_at__lte=at) & (standing | Q(ended_at__gt=at))
    for row in rows.filter(standing).order_by("-pk")[:1]:
        yield Ground(kind=Kind.PAUSE, since=row.started_at, until=row.ended_at)


def departures(subject: Subject, at: datetime) -> Iterator[Ground]:
    """Yield since when the person had left the organisation then."""
    gone = Departure.objects.filter(subject=subject, left_at__lte=at).filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=at)
    )
    for row in gone.order_by("left_at")[:1]:
        yield Ground(kind=Kind.DEPARTURE, since=row.left_at, until=row.ended_at)


def switches(purpose: str, at: datetime) -> Iterator[Ground]:
    """Yield the switches that stopped the purpose, or everything, then."""
    standing = Q(released_at__isnull=True)
    if at < timezone.now():
        standing = Q(pulled_at__lte=at) & (standing | Q(released_at__gt=at))
    over = Q(purpose__code=purpose) | Q(purpose__isnull=True)
    for row in KillSwitch.objects.filter(over & standing).order_by("pulled_at"):
        yield Ground(
            kind=Kind.SWITCH,
            code=row.reason,
            note="purpose" if row.purpose_id else "everything",
            since=row.pulled_at,
            until=row.released_at,
        )


def listing(purpose: str, app: str, at: datetime, signal: str = "") -> Iterator[Ground]:
    """Yield what says that the app, or one signal of it, left the purpose's list before then."""
    gone = AllowlistEntry.objects.filter(
        purpose__code=purpose, app__code=app, delisted_at__lte=at
    ).order_by("-pk")
    gone = gone.filter(signal=signal) if signal else gone
    for entry in gone[:1]:
        yield Ground(kind=Kind.APP, code=DELISTED, since=entry.delisted_at)


def machine(agent: Agent | None) -> Iterator[Ground]:
    """Yield that the machine was cut off."""
    if agent and agent.revoked_at:
        yield Ground(kind=Kind.AGENT, code=REVOKED, since=agent.revoked_at)


def _not_taken_back(at: datetime) -> Q:
    return Q(reopening__isnull=True) | Q(reopening__recorded_at__gt=at)


def _documents(found: list[tuple[GateEvidence, Counts]]) -> list[Ground]:
    hands = hands_of(row for row, _ in found)
    return [_document(row, counts, hands[row.pk]) for row, counts in found]


def _document(row: GateEvidence, counts: Counts, hands: tuple[Hand, ...]) -> Ground:
    return Ground(
        hands=hands,
        kind=Kind.EVIDENCE,
        code=row.gate,
        title=row.document_title,
        jurisdiction=row.jurisdiction,
        since=row.valid_from,
        until=row.valid_until,
        counts=counts,
        sha256=row.document_sha256,
        note=row.not_applicable_reason,
    )


def _counts(item: Item, days: Sequence[date]) -> Counts:
    replaced = day_of(item.get("replaced_on"))
    found = {
        _span(since, min((day for day in (until, replaced) if day), default=None), days)
        for since, until in spans_of(item)
    }
    return next((each for each in Counts if each in found), Counts.NO_LONGER)


def _span(since: date, until: date | None, days: Sequence[date]) -> Counts:
    """Say whether a paper counted on all the days that it was then, the earliest first."""
    if since > days[0]:
        return Counts.NOT_YET
    return Counts.NO_LONGER if until and until <= days[-1] else Counts.YES


def _once(found: list[Ground]) -> list[Ground]:
    return list(dict.fromkeys(found))
