"""Proposals as those see them who decide: what differs, whom it concerns, who must still speak."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from consent import hooks
from consent.models import CouncilSeat, Proposal, ProposalVote
from consent.selectors.impact import Blocked, Impact, Line
from consent.selectors.outcomes import NO_LONGER
from consent.selectors.rules import rule_changes

OPEN_STATES: Final = (Proposal.State.OPEN, Proposal.State.APPROVED)
AGREED_STATES: Final = (Proposal.State.APPROVED, Proposal.State.APPLIED, Proposal.State.FAILED)
"""In which every council that is asked has said yes."""
Vote = ProposalVote.Vote

NAMING: Final = ("purpose", "app", "jurisdiction", "gate", "signal", "code", "codes", "key", "whom")
"""What a payload says it is about, as against what shall be different there."""
FAILURE_TOLD: Final = timedelta(days=60)


@dataclass(frozen=True)
class Missing:
    """Whose agreement a proposal lacks; nobody's where both are empty."""

    approvals: int
    units: tuple[str, ...]

    @property
    def nobody(self) -> bool:
        """Say whether everybody who must has agreed."""
        return not self.approvals and not self.units


@dataclass(frozen=True)
class DiffRow:
    """One thing that the change alters; for lists also what comes and goes."""

    field: str
    before: Any
    after: Any
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()


def missing_votes(proposal: Proposal, *, lock: bool = False) -> Missing:
    """Return who still must agree; silence is no agreement.

    Nor is an officer's word who is none any more before it took effect, nor a council's whose giver
    holds no seat there any more when it is decided: from then on no council is missing, whatever
    becomes of its seats. With `lock` officers and seats stay such until the transaction ends.
    """
    agreed = [cast for cast in counted(proposal, lock=lock) if cast.vote == Vote.APPROVE]
    officers = {cast.voter for cast in agreed if not cast.unit}
    heard = {cast.unit for cast in agreed}
    return Missing(
        approvals=max(proposal.approvals_needed - len(officers), 0),
        units=()
        if proposal.state in AGREED_STATES
        else tuple(unit for unit in proposal.council_units if unit not in heard),
    )


def counted(proposal: Proposal, *, lock: bool = False) -> list[ProposalVote]:
    """Return the votes that count, in the order in which they were cast.

    A no stands, whatever becomes of the role or the seat it was given from.
    """
    votes = list(proposal.votes.order_by("pk"))
    if lock and proposal.state == Proposal.State.OPEN:
        seats_asked(proposal, lock=True)
    voters = {cast.voter for cast in votes if not cast.unit and cast.vote == Vote.APPROVE}
    if proposal.state in OPEN_STATES:
        voters &= hooks.officers_among(voters, lock=lock)
    return [
        cast
        for cast in votes
        if cast.vote != Vote.APPROVE
        or (_seated(cast, proposal) if cast.unit else cast.voter in voters)
    ]


def seats_asked(proposal: Proposal, *, lock: bool = False) -> list[CouncilSeat]:
    """Return the seats that are held, now or from a day to come, in the councils that are asked.

    With `lock` whoever ends one of them waits until the transaction ends. All are locked in one
    order and before any officer, so that no two of those who decide wait for each other.
    """
    held = CouncilSeat.objects.filter(unit__in=proposal.council_units, ended_at__isnull=True)
    if lock:
        held = held.select_for_update(no_key=True)
    return list(held.order_by("pk"))


def _seated(cast: ProposalVote, proposal: Proposal) -> bool:
    """Say whether who spoke for a council holds the seat, or did until it was decided."""
    seats = CouncilSeat.objects.filter(person=cast.voter, unit=cast.unit)
    held = Q(ended_at__isnull=True)
    if proposal.decided_at:
        # Only to be shown. What is still to be decided asks no clock: two servers' may disagree.
        held |= Q(ended_at__gt=proposal.decided_at)
    return seats.filter(held).exists()


def seats_of(person: UUID, *, on: date) -> list[str]:
    """Return the units whose council the person speaks for on that day."""
    seats = CouncilSeat.objects.filter(person=person, valid_from__lte=on, ended_at__isnull=True)
    return sorted(seats.values_list("unit", flat=True))


def proposal_view(proposal: Proposal) -> dict[str, Any]:
    """Return all that a page says of a proposal.

    `diff` is what stood when it was made against what will stand, `rules` the same of rules to be
    adopted, value by value where `diff` has digests; `impact` as frozen then and
    `impact_lines` the same in words; `missing` says whose agreement it lacks, decided or not.
    """
    counting = set(counted(proposal))
    impact = Impact.of(proposal.impact) if proposal.impact else None
    return {
        "uuid": proposal.uuid,
        "kind": proposal.kind,
        "state": proposal.state,
        "tightens": proposal.tightens,
        "in_effect": in_effect(proposal),
        "proposed_by": proposal.proposed_by,
        "proposed_at": proposal.proposed_at,
        "effective_at": proposal.effective_at,
        "applied_at": proposal.applied_at,
        "failed_at": proposal.failed_at,
        "failure": proposal.failure,
        "decided_by": proposal.decided_by,
        "decided_at": proposal.decided_at,
        "reverts": proposal.reverts.uuid if proposal.reverts else None,
        "reverted_by": _reverted_by(proposal),
        "diff": diff(proposal.before, proposal.after),
        "rules": rule_changes(proposal),
        "impact": impact,
        "impact_lines": impact_lines(impact) if impact else [],
        "approvals_needed": proposal.approvals_needed,
        "council_units": list(proposal.council_units),
        "votes": [
            {
                "voter": v.voter,
                "unit": v.unit,
                "vote": v.vote,
                "recorded_at": v.recorded_at,
                "counts": v in counting,
            }
            for v in proposal.votes.order_by("pk")
        ],
        "missing": missing_votes(proposal),
    }


def impact_lines(impact: Impact) -> list[str]:
    """Return the impact in words, such as `412 people lose key_timing, 0 gain`; never empty."""
    several = len({line.purpose for line in impact.lines}) > 1
    told = [
        f"{f'{line.purpose}: ' if several else ''}{words}"
        for line in impact.lines
        for words in _line_in_words(line)
    ]
    if impact.anew != 0:
        told.append(f"{_number(impact.anew)} people: whoever said yes is asked anew")
    told += map(_blocked_in_words, impact.blocked)
    told += [f"Site {site} binds nobody today" for site in impact.unknown]
    if impact.ahead:
        return [
            *(told or ["Nobody is concerned"]),
            f"As of today and of {impact.ahead}, when it begins",
        ]
    return told or ["Nobody is concerned today"]


def _blocked_in_words(row: Blocked) -> str:
    where = "few people" if row.few else "+".join(row.jurisdictions) or "no place"
    by = f"by {f'agreement {row.agreement}' if row.agreement else row.reason}"
    if row.reason == NO_LONGER:
        return f"{where}: kept no longer, {by}"
    return f"{where}: blocked {by} ({', '.join(row.signals) or row.purpose})"


def _line_in_words(line: Line) -> Iterator[str]:
    if line.lose != 0 or line.gain != 0:
        yield f"{_number(line.lose)} people lose {line.signal}, {_number(line.gain)} gain"
    for count, words in (
        (line.shorter, ": {} is kept more shortly"),
        (line.longer, ": {} is kept longer"),
        (line.asked, " may be asked for {} from then on"),
        (line.unasked, " may be asked for {} no longer"),
    ):
        if count != 0:
            yield f"{_number(count)} people{words.format(line.signal)}"


def _number(count: int | None) -> str:
    return "(not shown)" if count is None else f"{count:,}"


def in_effect(proposal: Proposal) -> bool:
    """Say whether the change was made; a later one may have changed the same things again."""
    return proposal.applied_at is not None


def standing_revert(proposal: Proposal) -> Proposal | None:
    """Return the proposal that goes back on this one, made or still to be decided; else None.

    Not one that was gone back on itself: then what it had taken back is in effect again.
    """
    made = Q(applied_at__isnull=False) | Q(state__in=OPEN_STATES)
    found = proposal.reverted_by.filter(made).order_by("pk")
    return next((one for one in found if not _gone_back_on(one)), None)


def failed_proposals(at: datetime) -> list[Proposal]:
    """Return the changes that were agreed to and could not be made, the newest first.

    Not those of long ago, nor where the same has been proposed about the same thing since.
    """
    failed = Proposal.objects.filter(failed_at__gt=at - FAILURE_TOLD).order_by("-failed_at")
    return [one for one in failed if not _proposed_anew(one)]


def _proposed_anew(failed: Proposal) -> bool:
    since = Proposal.objects.filter(kind=failed.kind, proposed_at__gte=failed.failed_at)
    return any(_about(one) == _about(failed) for one in since)


def _about(proposal: Proposal) -> list[Any]:
    return [proposal.payload.get(name) for name in NAMING]


def _gone_back_on(proposal: Proposal) -> bool:
    back = standing_revert(proposal)
    return back is not None and in_effect(back)


def diff(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[DiffRow]:
    """Return what differs, tables inside tables by their dotted names, in the order of names."""
    old, new = dict(_flat(before or {})), dict(_flat(after or {}))
    return [
        _row(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _row(name: str, old: Any, new: Any) -> DiffRow:
    if not isinstance(old, list) and not isinstance(new, list):
        return DiffRow(name, old, new)
    left, right = list(old or ()), list(new or ())
    return DiffRow(
        name,
        old,
        new,
        added=tuple(item for item in right if item not in left),
        removed=tuple(item for item in left if item not in right),
    )


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _reverted_by(proposal: Proposal) -> UUID | None:
    found = standing_revert(proposal)
    return found.uuid if found else None
