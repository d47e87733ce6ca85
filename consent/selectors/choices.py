"""What a person decided, as a fold of the events: the newest one per purpose is what stands."""

from collections.abc import Iterable
from datetime import datetime

from consent.models import (
    AllowlistEntry,
    CohortPolicy,
    ConsentEvent,
    ConsentScope,
    Notice,
    Purpose,
    Subject,
)
from consent.policy.clocks import days_at, first_midnight
from consent.policy.evaluate import consent_ends
from consent.policy.types import NEVER_CATEGORIES, ConsentState, Signal
from consent.rules import rulebook_of
from consent.selectors.documents import said_by


def newest_event(subject: Subject, purpose: Purpose) -> ConsentEvent | None:
    """Return the event that stands; None means *unknown*, which permits nothing."""
    return (
        ConsentEvent.objects.select_related("notice")
        .filter(subject=subject, purpose=purpose)
        .order_by("-position")
        .first()
    )


def standing_consents(subject: Subject) -> dict[str, ConsentEvent]:
    """Return purpose code -> the event that stands; a purpose not in it is *unknown*."""
    events = (
        ConsentEvent.objects.select_related("notice", "purpose")
        .filter(subject=subject)
        .order_by("purpose_id", "-position")
        .distinct("purpose_id")
    )
    return {event.purpose.code: event for event in events}


def scopes_of(events: Iterable[ConsentEvent]) -> dict[int, set[tuple[str, Signal]]]:
    """Return event id -> the pairs (app code, signal) it covers."""
    found: dict[int, set[tuple[str, Signal]]] = {event.pk: set() for event in events}
    if not found:
        return found
    rows = ConsentScope.objects.filter(event__among=found).values_list(
        "event_id", "app__code", "signal"
    )
    for event_id, app, signal in rows:
        found[event_id].add((app, Signal(signal)))
    return found


def covered_now(event: ConsentEvent) -> set[tuple[str, Signal]]:
    """Return the pairs of a yes that still count: those never taken off the list since."""
    rows = ConsentScope.objects.filter(event=event, listing__delisted_at__isnull=True)
    pairs = rows.exclude(listing=None).values_list("app__code", "signal")
    return {(app, Signal(signal)) for app, signal in pairs}


def unbroken_yes(
    subject: Subject, purpose: str, *, since: int | None
) -> tuple[ConsentEvent | None, set[tuple[str, Signal]]]:
    """Return the yes that stands, and the pairs that were covered all the time since a position.

    None and nothing where at that position or at any time since no yes stood: a new one does not
    bring back what the end of the last one ended. Without a position only what stands now counts.
    """
    events = ConsentEvent.objects.select_related("purpose").filter(
        subject=subject, purpose__code=purpose
    )
    known = events if since is None else events.filter(position__lte=since)
    first = known.order_by("-position").first()
    if first is None:
        return None, set()
    story = [first, *events.filter(position__gt=first.position).order_by("position")]
    if any(event.state != ConsentState.GIVEN for event in story):
        return None, set()
    covered = covered_now(story[-1])
    for pairs in scopes_of(story[:-1]).values():
        covered &= pairs
    return story[-1], covered


def current_notice(purpose: Purpose) -> Notice | None:
    """Return the newest published notice; None, which denies, when there is none."""
    return (
        Notice.objects.filter(purpose=purpose, published_at__isnull=False)
        .order_by("-version")
        .first()
    )


def offered_pairs(purpose: Purpose) -> set[tuple[str, Signal]]:
    """Return the pairs (app code, signal) that the purpose may ask for at all."""
    return set(offered_listings(purpose))


def offered_listings(purpose: Purpose) -> dict[tuple[str, Signal], int]:
    """Return each pair (app code, signal) that may be asked for, and its entry of the list."""
    rows = AllowlistEntry.objects.filter(
        purpose=purpose, delisted_at__isnull=True, app__blocked_at__isnull=True
    ).exclude(app__category__in=[category.value for category in NEVER_CATEGORIES])
    listed = rows.values_list("app__code", "signal", "pk")
    return {(app, Signal(signal)): listing for app, signal, listing in listed}


def pack_of(subject: Subject) -> tuple[str, str]:
    """Return digest and version of the rules that decide about a person; empty where none do."""
    return pack_in(shared_by(subject))


def shared_by(subject: Subject) -> CohortPolicy | None:
    """Return what a person shares with others now; None for who is in no cohort."""
    return subject.cohort.policies.order_by("-revision").first() if subject.cohort else None


def pack_in(policy: CohortPolicy | None) -> tuple[str, str]:
    """Return digest and version of the rules of a revision; empty where it names none."""
    digest = said_by(policy).get("rulebook", "")
    rules = rulebook_of(digest)
    return (digest, rules.version) if digest and rules.digest == digest else ("", "")


def consent_valid_until(subject: Subject, at: datetime) -> datetime | None:
    """Return when a yes given at `at` lapses by itself; None where no law of the places ends it."""
    policy = subject.cohort.policies.order_by("-revision").first() if subject.cohort else None
    shared = said_by(policy)
    places = shared["jurisdictions"]
    today = days_at(places, at)[0]
    bounds = rulebook_of(shared.get("rulebook")).law(places, today).bounds
    ends = consent_ends(today, bounds) if bounds else None
    return first_midnight(places, ends) if ends else None
