"""Whom imaginary people take after: somebody of the demo company who is recorded right now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from audit.ledger import Actor
from consent import selectors, services
from consent.models import ConsentEvent, IssuedPolicy, Notice, Subject
from consent.policy.types import ConsentState

NAME: Final = "simulated"
"""How the login of every imaginary person begins, and what their facts name as their source."""
SINCE: Final = timedelta(days=400)
MOST_TRIES: Final = 20


class NobodyToCopy(Exception):
    """Nobody of the demo company may be recorded right now, so there is no yes to take back."""


@dataclass(frozen=True)
class Pattern:
    """Where somebody works, and what they said yes to."""

    facts: dict[str, str]
    language: str
    notice: Notice
    pairs: frozenset[services.Pair]

    def new_person(self) -> Subject:
        """Record another person like this one, who has said nothing yet."""
        return services.record_subject(
            language=self.language,
            facts=self.facts,
            since=timezone.now().date() - SINCE,
            source=NAME,
            actor=Actor.system("simulation"),
        )

    def say_yes(self, subject: Subject) -> None:
        """Let a person read the notice and say the same yes."""
        services.acknowledge_notice(subject=subject, notice=self.notice)
        services.give_consent(
            subject=subject,
            purpose=self.notice.purpose.code,
            notice=self.notice,
            pairs=self.pairs,
            language=self.language,
        )


def find_pattern() -> Pattern:
    """Return the first pattern under which a new person may be recorded at once.

    Raises NobodyToCopy.
    """
    for tries, pattern in enumerate(_patterns(timezone.now())):
        if _permits(pattern):
            return pattern
        if tries == MOST_TRIES:
            break
    raise NobodyToCopy(NobodyToCopy.__doc__)


def _permits(pattern: Pattern) -> bool:
    """Try it with a person who is taken back at once."""
    with transaction.atomic():
        subject = pattern.new_person()
        pattern.say_yes(subject)
        allowed = selectors.verdicts_for(subject, at=timezone.now()).allow()
        transaction.set_rollback(True)
    return bool(allowed)


def _patterns(now: datetime) -> Iterator[Pattern]:
    """Yield what people with a machine said yes to, once for each place and purpose."""
    people = Subject.objects.filter(
        pk__in=IssuedPolicy.objects.values("agent__subject").exclude(allow={})
    ).exclude(user__email__startswith=f"{NAME}-")
    seen = set()
    for subject in people.order_by("pk"):
        for event in selectors.standing_consents(subject).values():
            place = (subject.cohort_id, event.purpose_id)
            if place not in seen and (pattern := _pattern(subject, event, now.date())):
                seen.add(place)
                yield pattern


def _pattern(subject: Subject, event: ConsentEvent, day: date) -> Pattern | None:
    """Return one person's yes, as far as it could be said to the present notice."""
    notice = selectors.current_notice(event.purpose)
    if event.state != ConsentState.GIVEN or notice is None or notice.pk != event.notice_id:
        return None
    pairs = selectors.scopes_of([event])[event.pk] & selectors.offered_pairs(event.purpose)
    facts = subject.facts.filter(valid_from__lte=day).exclude(valid_until__lte=day)
    return Pattern(
        facts={fact.kind: fact.value for fact in facts},
        language=event.language,
        notice=notice,
        pairs=frozenset(services.Pair(app, signal) for app, signal in pairs),
    )
