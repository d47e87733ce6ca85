"""What the steps of a load look up again: people, agents, purposes, policies; once each."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.db.models import Q, QuerySet

from audit.ledger import Actor
from consent import selectors
from consent.models import Agent, ConsentEvent, IssuedPolicy, Notice, Pause, Purpose, Subject
from portal.demo.company import company
from portal.demo.people import Person
from portal.models import User

OFFICER = "privacy_officer"
COUNCIL = "works_council"


@dataclass
class World:
    """The database as the loader sees it. What is remembered here is only ever looked up again."""

    seed: int
    now: datetime
    password: str
    resuming: bool = False
    """Whether some steps may have been done already, so that each has to look first."""
    _subjects: dict[int, Subject] = field(default_factory=dict)
    _agents: dict[int, Agent] = field(default_factory=dict)
    _purposes: dict[str, Purpose] = field(default_factory=dict)
    _notices: dict[str, Notice] = field(default_factory=dict)
    _policies: dict[tuple[int, datetime], IssuedPolicy] = field(default_factory=dict)

    @cached_property
    def officer(self) -> Actor:
        """The privacy officer, who publishes and records."""
        return Actor.staff(self.persona(OFFICER).ref)

    def persona(self, role: str) -> User:
        """Return the login of somebody to sign in as."""
        persona = next(one for one in company().personas if one.role == role)
        return User.objects.get(email=f"{persona.email}@{company().domain}")

    def subject(self, person: Person) -> Subject:
        """Return the person as the consent package knows them."""
        if person.number not in self._subjects:
            user = User.objects.select_related("subject__cohort").get(email=person.email)
            if user.subject is None:
                raise LookupError("a person of the demo company is not recorded yet")
            self._subjects[person.number] = user.subject
        return self._subjects[person.number]

    def has_acted(self, person: Person) -> bool:
        """Return whether whoever is signed in as the person has decided or paused since the load
        began: what stands is theirs then, and the story's own answers come too late.
        """
        if person.persona is None:
            return False  # nobody can be signed in as them
        theirs = {"subject__user__email": person.email}
        paused = Q(started_at__gte=self.now) | Q(ended_at__gte=self.now)
        return (
            ConsentEvent.objects.filter(**theirs, imported=False).exists()
            or Pause.objects.filter(paused, **theirs).exists()
        )

    def agent(self, person: Person) -> Agent:
        """Return the machine that the person has in the story."""
        if person.number not in self._agents:
            agents = self.agents_of(person).select_related("subject__cohort")
            self._agents[person.number] = agents.get()
        return self._agents[person.number]

    def agents_of(self, person: Person) -> QuerySet[Agent]:
        """Return the person's machines from before the load, of which there may be none yet.

        Whoever is signed in as them meanwhile may connect one of their own.
        """
        return Agent.objects.filter(subject=self.subject(person), enrolled_at__lt=self.now)

    def purpose(self, code: str) -> Purpose:
        """Return a purpose as it is published."""
        if code not in self._purposes:
            self._purposes[code] = Purpose.objects.get(code=code)
        return self._purposes[code]

    def notice(self, code: str) -> Notice:
        """Return the notice that people read at this point of the load."""
        if code not in self._notices:
            notice = selectors.current_notice(self.purpose(code))
            if notice is None:
                raise LookupError(f"the purpose {code} has no notice yet")
            self._notices[code] = notice
        return self._notices[code]

    def forget_notice(self, code: str) -> None:
        """Look the notice up anew: another version is about to be published."""
        self._notices.pop(code, None)

    def remember_policy(self, person: Person, policy: IssuedPolicy) -> None:
        """Keep a policy at hand for the batches captured under it."""
        if len(self._policies) > 1000:
            self._policies.clear()
        self._policies[person.number, policy.issued_at] = policy

    def policy(self, person: Person, issued_at: datetime) -> IssuedPolicy:
        """Return the policy issued to the person's machine at that instant."""
        key = (person.number, issued_at)
        if key not in self._policies:
            self._policies[key] = self.agent(person).policies.get(issued_at=issued_at)
        return self._policies[key]
