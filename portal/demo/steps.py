"""The steps in which the company came about, each one call of a service, marked as imported.

`done` says whether a step stands in the database already; it is asked only where a load was
interrupted and goes on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from django.utils.translation import gettext_noop

from audit.ledger import Actor
from consent import services
from consent.models import Acknowledgement, Pause
from consent.policy.types import ConsentState
from portal.demo.people import Person
from portal.demo.stories import Answer, Rest
from portal.demo.world import World
from portal.models import User

SOURCE: Final = "demo"
PEOPLE: Final = gettext_noop("Loading the demo: people")
MONTHS: Final = gettext_noop("Loading the demo: a month")


class Step(Protocol):
    """One thing that happened at an instant."""

    @property
    def at(self) -> datetime:
        """When it happened."""

    @property
    def label(self) -> str:
        """What the banner says meanwhile."""

    def done(self, world: World) -> bool:
        """Return whether it stands already."""

    def do(self, world: World) -> None:
        """Carry it out through the services."""


@dataclass(frozen=True)
class Join:
    """A person becomes known, with a login that only single sign-on could use."""

    at: datetime
    person: Person
    label: str = PEOPLE

    def done(self, world: World) -> bool:
        """Look whether the login has its person."""
        return User.objects.filter(email=self.person.email, subject__isnull=False).exists()

    def do(self, world: World) -> None:
        """Record the person and their facts; who has a login already keeps it."""
        subject = services.record_subject(
            language=self.person.language,
            facts=self.person.facts,
            since=self.person.since,
            source=SOURCE,
            actor=Actor.system("directory"),
            event_time=self.at,
            imported=True,
        )
        if self.person.persona:
            User.objects.filter(email=self.person.email).update(subject=subject)
        else:
            User.objects.create_user(self.person.email, name=self.person.name, subject=subject)


@dataclass(frozen=True)
class Acknowledge:
    """Somebody confirms having received a notice, where the law asks for that."""

    at: datetime
    person: Person
    purpose: str
    version: int
    label: str = MONTHS

    def done(self, world: World) -> bool:
        """Look for the confirmation of this version."""
        return Acknowledgement.objects.filter(
            subject=world.subject(self.person),
            notice__purpose__code=self.purpose,
            notice__version=self.version,
        ).exists()

    def do(self, world: World) -> None:
        """Record it; it is no consent."""
        services.acknowledge_notice(
            subject=world.subject(self.person),
            notice=world.notice(self.purpose),
            event_time=self.at,
            imported=True,
        )


@dataclass(frozen=True)
class Decide:
    """A yes, a no, a not now, or a withdrawal; `position` is which of the person's it is."""

    person: Person
    answer: Answer
    position: int
    label: str = MONTHS

    @property
    def at(self) -> datetime:
        """When they answered."""
        return self.answer.at

    def done(self, world: World) -> bool:
        """Look how far the person's own list of events reaches."""
        subject = world.subject(self.person)
        subject.refresh_from_db(fields=["position"])
        return subject.position >= self.position

    def do(self, world: World) -> None:
        """Record it as the person's own act."""
        subject, answer = world.subject(self.person), self.answer
        if answer.state is ConsentState.WITHDRAWN:
            services.withdraw_consent(
                subject=subject, purpose=answer.purpose, event_time=self.at, imported=True
            )
        elif answer.state is ConsentState.GIVEN:
            services.give_consent(
                subject=subject,
                purpose=answer.purpose,
                notice=world.notice(answer.purpose),
                pairs=[services.Pair(app, signal) for app, signal in answer.pairs],
                language=self.person.language,
                event_time=self.at,
                imported=True,
            )
        else:
            services.decline_consent(
                subject=subject,
                purpose=answer.purpose,
                notice=world.notice(answer.purpose),
                deferred=answer.state is ConsentState.DEFERRED,
                language=self.person.language,
                event_time=self.at,
                imported=True,
            )


@dataclass(frozen=True)
class PauseAll:
    """A person's own pause begins."""

    person: Person
    rest: Rest
    label: str = MONTHS

    @property
    def at(self) -> datetime:
        """When it began."""
        return self.rest.since

    def done(self, world: World) -> bool:
        """Look for a pause that began just then."""
        pauses = Pause.objects.filter(subject=world.subject(self.person))
        return pauses.filter(started_at=self.at).exists()

    def do(self, world: World) -> None:
        """Pause everything."""
        services.pause_capture(subject=world.subject(self.person), at=self.at, imported=True)


@dataclass(frozen=True)
class Resume:
    """A person's own pause ends."""

    at: datetime
    person: Person
    label: str = MONTHS

    def done(self, world: World) -> bool:
        """Look for a pause that ended just then."""
        pauses = Pause.objects.filter(subject=world.subject(self.person))
        return pauses.filter(ended_at=self.at).exists()

    def do(self, world: World) -> None:
        """Let earlier answers count again."""
        services.resume_capture(subject=world.subject(self.person), at=self.at, imported=True)
