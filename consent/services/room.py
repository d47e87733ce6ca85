"""Whether machines could still read the policies that a change leads to, before it is agreed to.

A policy has a largest size, beyond which agents refuse it and record nothing. What is in it follows
from the apps that purposes ask for, so that is where it is kept within bounds: a proposal that
leads beyond them is refused, with the figure. Two that each fit may lead there together, so it is
looked at once more when one takes effect; and where policies grew all the same, the privacy team
is told.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from django.db.models import Max

from consent.digests import assembled, digest
from consent.models import Agent, Cohort, CohortPolicy
from consent.policy.types import Platform
from consent.selectors.attention import Attention, Matter, Severity
from consent.selectors.decisions import nobody_in
from consent.selectors.documents import KEPT, current_cohort_policies, said_by
from consent.selectors.facts import still_here
from consent.selectors.outcomes import Snapshot
from consent.selectors.stops import NO_STOPS
from consent.selectors.terms import terms_for
from consent.services.policies import policy_document

LARGEST: Final = 256 * 1024
"""What an agent reads of a policy at most, as it is sent; a larger one it refuses, and stops."""
SIGNED: Final = 256
"""Header, signature and dots of a signed policy have fewer bytes than that."""
STRIKES: Final = 256 * 48
"""So many intervals a policy names at most, each in so many bytes of the document."""
FEW: Final = 100
"""Apps asked for, added up over purposes: so few never come near the bound, and nothing is worked
out. Some 470 fit where one purpose asks for them, some 330 where three ask for the same ones."""

_lengths: dict[tuple[str, date], int] = {}
"""How long the policies are that follow from a revision, by its digest and a day."""


def sent(payload: int) -> int:
    """Return how many bytes a document of so many has once it is signed, as it is sent."""
    return (payload * 4 + 2) // 3 + SIGNED


def longest_policy(snapshot: Snapshot) -> int:
    """Return the bytes of the longest policy that follows from what cohorts share, as it is sent.

    Of somebody who said yes to all and of somebody who has not answered, on each platform; 0 where
    so little is asked for that it is not worked out.
    """
    return _longest_of(snapshot.documents.values(), snapshot.at)


def beyond_room(before: Iterable[Snapshot], after: Iterable[Snapshot]) -> int:
    """Return 0 where machines can read all that follows, else the bytes of the longest policy.

    Where it was too long already and becomes no longer, nothing is to be said against a change.
    """
    longest = max(map(longest_policy, after), default=0)
    if longest <= LARGEST or longest <= max(map(longest_policy, before), default=0):
        return 0
    return longest


def last_revision() -> int:
    """Return the newest revision of any cohort's shared half, to tell later ones from it."""
    return CohortPolicy.objects.aggregate(last=Max("pk"))["last"] or 0


def outgrown(*, since: int, at: datetime) -> int:
    """Return what `beyond_room` does, of a change that was made after the revision `since`.

    Only what it wrote is looked at, and what stood there before where that is too long.
    """
    written = CohortPolicy.objects.filter(pk__gt=since)
    longest = _longest_of(map(said_by, written), at)
    if longest <= LARGEST:
        return 0
    before = CohortPolicy.objects.filter(pk__lte=since, cohort__in=written.values("cohort"))
    newest = before.order_by("cohort_id", "-revision").distinct("cohort_id")
    return longest if longest > _longest_of(map(said_by, newest), at) else 0


def crowding(at: datetime) -> list[Attention]:
    """Return that the policies of people who are here are longer than machines read, if they are.

    Such machines refuse what they get, and record nothing.
    """
    here = Cohort.objects.filter(pk__in=still_here().values("cohort"))
    newest = current_cohort_policies(list(here.values_list("pk", flat=True))).values()
    large = (policy for policy in newest if _asked(policy.document) > FEW)
    if (longest := max((_measured(one, at) for one in large), default=0)) <= LARGEST:
        return []
    return [Attention(matter=Matter.ROOM, severity=Severity.NOW, bytes=longest)]


def _measured(policy: CohortPolicy, at: datetime) -> int:
    """Return how long it is; worked out once a day, as no revision ever changes."""
    known = policy.sha256, at.date()
    length = _lengths.get(known)
    if length is None:
        if len(_lengths) >= KEPT:
            _lengths.clear()
        length = _lengths[known] = _longest(said_by(policy), at)
    return length


def _longest_of(documents: Iterable[Mapping[str, Any]], at: datetime) -> int:
    large = (document for document in documents if _asked(document) > FEW)
    return max((_longest(document, at) for document in large), default=0)


def _asked(document: Mapping[str, Any]) -> int:
    return sum(len(purpose["allowlist"]) for purpose in document["purposes"].values())


def _longest(document: Mapping[str, Any], at: datetime) -> int:
    said = {name: value for name, value in document.items() if name != "apps"}
    # What is worked out is remembered by the digest, so each must have its own.
    shared = CohortPolicy(document=dict(document), sha256=f"proposed {digest(said)}")
    willing = nobody_in(shared, departs_at=None, stops=NO_STOPS)
    payloads = (
        _payload(shared, replace(willing, willing=said_yes), platform, at)
        for said_yes in (True, False)
        for platform in (Platform.LINUX, Platform.MACOS, Platform.WINDOWS)
    )
    return sent(max(payloads) + STRIKES)


def _payload(shared: CohortPolicy, standing: Any, platform: Platform, at: datetime) -> int:
    agent = Agent(ref=uuid.UUID(int=2**128 - 1), platform=platform)
    document = policy_document(
        agent, terms_for(standing, at=at), version=2**53 - 1, at=at, lease_until=at, strikes=()
    )
    return len(assembled(document))
