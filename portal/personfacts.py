"""Dated facts about people as they come in: by a page, a file or another system's request.

All three doors read the same words here, and a look at somebody else's facts is recorded first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from django import forms
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit import events, ledger
from audit.ledger import Actor
from consent import services
from consent.exceptions import NotKnownHere, PlaceUnknown
from consent.models import Subject, SubjectFact
from consent.policy.clocks import days_at
from consent.policy.factsfile import YEARS
from consent.rules import rulebook
from consent.selectors.facts import cohort_facts, next_turn
from portal.models import User

KINDS: Final[dict[str, str | Promise]] = {
    "work_location": _("Works in"),
    "residence": _("Lives in"),
    "establishment": _("Employed by a part of the organisation in"),
    "device_location": _("Computer stands in"),
    "travel": _("Travels to"),
    "site": _("Site"),
    "unit": _("Unit"),
}
SOURCE: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$"
"""A source is a code, such as `hr-system`: it says nothing of anyone."""
DAY: Final = forms.DateInput(attrs={"type": "date"})
MOST_TURNS: Final = 12


class FactForm(forms.Form):
    """One fact: what, since when, until when, and who says so."""

    kind = forms.ChoiceField(label=_("What"), choices=list(KINDS.items()))
    value = forms.CharField(
        label=_("Place, site or unit"),
        max_length=80,
        help_text=_("A place by its code in the rules, such as DE or US-CA."),
    )
    valid_from = forms.DateField(
        label=_("From"),
        widget=DAY,
        help_text=_("A day begins and ends at midnight in the places of the person."),
    )
    valid_until = forms.DateField(label=_("Until (not included)"), widget=DAY, required=False)
    source = forms.RegexField(
        label=_("Source"),
        regex=SOURCE,
        initial="privacy-team",
        error_messages={"invalid": _("Letters, digits and hyphens, at most 40.")},
        help_text=_("Who says so, as a code, such as hr-system. The person sees it."),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a place that no rule knows, days of another age, and a time that runs back."""
        said: dict[str, Any] = super().clean() or {}
        kind, value = said.get("kind"), said.get("value")
        if kind in SubjectFact.JURISDICTION_KINDS and value and value not in rulebook().rows:
            self.add_error("value", f"{PlaceUnknown().detail} {PlaceUnknown.next_step}")
        since, until = said.get("valid_from"), said.get("valid_until")
        for name, day in (("valid_from", since), ("valid_until", until)):
            if day and day.year not in YEARS:
                self.add_error(name, _("This day is too long ago, or too far away."))
        if since and until and until <= since:
            self.add_error("valid_until", _("This day must lie after the first one."))
        return said

    def problems(self) -> dict[str, str]:
        """Return what is wrong by the name of the field; empty where nothing is."""
        return {
            name: " ".join(str(message) for message in messages)
            for name, messages in self.errors.items()
        }


@dataclass(frozen=True)
class Turn:
    """From a day on, the rules of these places apply, and the agreements of these sites."""

    day: date
    places: tuple[str, ...]
    sites: tuple[str, ...]


def find_person(who: str) -> Subject:
    """Return the employee with this reference or login address. Raises NotKnownHere."""
    said = who.strip()
    try:
        found = Subject.objects.filter(ref=UUID(said)).first()
    except ValueError:
        user = User.objects.select_related("subject").filter(email__iexact=said).first()
        found = user.subject if user else None
    if found is None:
        raise NotKnownHere("No employee has this reference or address.")
    return found


def looked_at(subject: Subject, *, actor: Actor, channel: str) -> list[SubjectFact]:
    """Return all facts of somebody, the newest first; that they were looked at is recorded."""
    with transaction.atomic():
        ledger.append(events.SubjectFactsViewed(channel=channel), actor=actor, subject=subject.ref)
        return facts_of(subject)


def facts_of(subject: Subject) -> list[SubjectFact]:
    """Return all facts of a person, past and to come, by kind and the newest first."""
    order = {kind: number for number, kind in enumerate(KINDS)}
    rows = subject.facts.prefetch_related("doubts").order_by("-valid_from", "-pk")
    return sorted(rows, key=lambda fact: order[fact.kind])


def record(subject: Subject, said: Mapping[str, Any], *, actor: Actor) -> SubjectFact:
    """Record a fact that a `FactForm` found sound; a repeat returns the one that stands."""
    return services.record_fact(
        subject=subject,
        kind=said["kind"],
        value=said["value"],
        valid_from=said["valid_from"],
        valid_until=said["valid_until"],
        source=said["source"],
        actor=actor,
    )


def turns(subject: Subject, *, at: datetime) -> list[Turn]:
    """Return which rules apply from today on, and from each later day on which that changes."""
    found: list[Turn] = []
    for _step in range(MOST_TURNS):
        facts = cohort_facts(subject, at=at)
        today = days_at(facts["jurisdictions"], at)[-1]
        turn = Turn(today, tuple(facts["jurisdictions"]), tuple(facts["sites"]))
        if found and found[-1].day == today:
            found.pop()  # the hours in which a day has begun in one of the places only
        if not found or (turn.places, turn.sites) != (found[-1].places, found[-1].sites):
            found.append(turn)
        ahead = next_turn(subject, at=at)
        if ahead is None:
            break
        at = ahead
    return found


def turns_with(
    subject: Subject, said: Mapping[str, Any], *, actor: Actor, at: datetime
) -> list[Turn]:
    """Return what `turns` would say once the fact is recorded; nothing is kept of the trial."""
    with transaction.atomic():
        record(subject, said, actor=actor)
        found = turns(subject, at=at)
        transaction.set_rollback(True)
    subject.refresh_from_db()
    return found


def same_fact(subject: Subject, *, kind: str, value: str, valid_from: date) -> SubjectFact:
    """Return the fact that a system without our numbers means. Raises NotKnownHere."""
    rows = subject.facts.filter(kind=kind, value=value, valid_from=valid_from)
    found = rows.exclude(valid_until=valid_from).order_by("-pk").first() or rows.first()
    if found is None:
        raise NotKnownHere("No such fact is recorded about this person.")
    return found
