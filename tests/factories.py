"""The smallest valid things, made through the services themselves; a test names what differs."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4

from audit.ledger import Actor
from consent import selectors, services
from consent.models import Agent, App, IssuedPolicy, Notice, PersonalPolicy, Purpose, Subject
from consent.notices import REQUIRED_SECTIONS
from consent.policy.clocks import last_midnight
from consent.policy.evaluate import Decision
from consent.policy.types import AppCategory, DataOf, MatcherKind, Platform, Signal
from consent.rules import rulebook
from consent.services import Pair
from retention import services as retention
from tests.clones import is_now, kept_world

OFFICER = Actor.staff(UUID("00000000-0000-4000-8000-000000000001"))
LONG_AGO = date(2020, 1, 1)
OFFERED = (Signal.MOUSE_CLICK, Signal.SCROLL, Signal.APP_FOCUS)


def _a_year() -> dict[str, str]:
    """The longest term of an exception there is today: begun lately, ending before a year."""
    today = datetime.now(UTC).date()
    since, until = today - timedelta(days=5), today + timedelta(days=300)
    return {"valid_from": since.isoformat(), "valid_until": until.isoformat()}


A_YEAR = _a_year()


def sections(text: str = "Plain words.") -> dict[str, str]:
    """A notice text that has every required section."""
    return {code: text for code, _ in REQUIRED_SECTIONS}


def midnight(day: date, place: str = "IE") -> datetime:
    """When a day has begun everywhere in a place, by default in Ireland."""
    return last_midnight([place], day)


@dataclass
class World:
    """One purpose about two apps, everything in order in one jurisdiction, and one person in it."""

    purpose: Purpose
    notice: Notice
    apps: dict[str, App]
    subject: Subject
    jurisdiction: str
    extra: dict[str, object] = field(default_factory=dict)

    def say_yes(self, *pairs: tuple[str, Signal], at: datetime | None = None) -> None:
        """Give consent to the pairs, by default to clicks and scrolling in both apps.

        `at`: when, for tests that go by the very moment; else now, or by night the day before.
        """
        wanted = pairs or tuple(
            (app, signal) for app in self.apps for signal in (Signal.MOUSE_CLICK, Signal.SCROLL)
        )
        services.give_consent(
            subject=self.subject,
            purpose=self.purpose.code,
            notice=self.notice,
            pairs=[Pair(app, signal) for app, signal in wanted],
            language="en",
            event_time=at or _by_day(),
        )

    def say_yes_again(self) -> None:
        """Give the same consent to the newest notice."""
        self.notice = self.purpose.notices.latest("version")
        self.say_yes()

    def another_subject(self, jurisdiction: str | None = None) -> Subject:
        """Another person, by default in the same jurisdiction."""
        return make_subject(jurisdiction or self.jurisdiction)


def _by_day() -> datetime | None:
    """When a yes was said, where that is not now: by night it was said by day.

    A yes counts from the day on which it is given, and many a test looks back some minutes or
    hours: they would not see it shortly after midnight.
    """
    now = datetime.now(UTC)
    by_night = now.hour < 6 or now.hour >= 21  # until it is over from London to Helsinki
    return now - timedelta(hours=9) if by_night and is_now() else None


def make_subject(jurisdiction: str = "IE") -> Subject:
    """A person who works in the jurisdiction; where a notice period runs, known for long."""
    facts = {"work_location": jurisdiction, "unit": "research"}
    if any(row.own.notice_days for row in rulebook().lineage(jurisdiction)):
        return known_for_long(facts)
    return services.record_subject(
        language="en", facts=facts, since=LONG_AGO, source="test", actor=OFFICER
    )


def known_for_long(facts: dict[str, str], since: date = LONG_AGO) -> Subject:
    """A person whose facts were known on their first day: to another system, it was not here."""
    return services.record_subject(
        language="en",
        facts=facts,
        since=since,
        source="test",
        actor=OFFICER,
        event_time=datetime.combine(since, time.min, tzinfo=UTC),
        imported=True,
    )


def make_world(jurisdiction: str = "IE") -> World:
    """Publish a purpose and all it needs in the jurisdiction, and record one person there.

    In an untouched database it is the copy of a world that was made before.
    """
    return kept_world(jurisdiction, _read_again) or new_world(jurisdiction)


def _read_again(world: World) -> World:
    """The same world, of rows of its own."""
    purpose = Purpose.objects.get(pk=world.purpose.pk)
    return World(
        purpose,
        purpose.notices.get(pk=world.notice.pk),
        {code: App.objects.get(pk=app.pk) for code, app in world.apps.items()},
        Subject.objects.get(pk=world.subject.pk),
        world.jurisdiction,
    )


def new_world(jurisdiction: str) -> World:
    """Make a world by the services, one after the other."""
    purpose = services.publish_purpose(
        code="train-agents",
        title="Train computer-use agents",
        description="Teach software to use office applications.",
        retention_days=60,
        position=1,
        actor=OFFICER,
    )
    apps = {
        code: services.list_app(
            code=code,
            name=code.title(),
            category=category,
            data_of=DataOf.OWN.value,
            matchers=[(Platform.WEB, MatcherKind.DOMAIN, domain)],
            actor=OFFICER,
        )
        for code, category, domain in (
            ("tracker", AppCategory.TRACKER, "tracker.example"),
            ("sheet", AppCategory.OFFICE, "sheet.example"),
        )
    }
    for app in apps.values():
        services.allow_in_purpose(purpose=purpose, app=app, signals=OFFERED, actor=OFFICER)
    close_all_gates(purpose, jurisdiction)
    notice = services.publish_notice(
        purpose=purpose,
        texts={"en": ("About the training of agents", sections())},
        actor=OFFICER,
        at=datetime(2024, 1, 1, tzinfo=UTC),
    )
    return World(purpose, notice, apps, make_subject(jurisdiction), jurisdiction)


def close_all_gates(purpose: Purpose, jurisdiction: str) -> None:
    """Close every gate that the jurisdiction and its parents know, by one document."""
    gates = [
        (row.code, gate)
        for row in rulebook().lineage(jurisdiction)
        for gate in sorted(row.own.gates)
    ] + [(jurisdiction, "counsel_signoff")]
    services.close_gate(
        purpose=purpose,
        gates=gates,
        document_title="Evidence",
        document_sha256="0" * 64,
        valid_from=LONG_AGO,
        valid_until=None,
        actor=OFFICER,
    )


def make_officer(ref: UUID) -> UUID:
    """Let somebody new be a privacy officer, whose word then counts; returns their reference.

    A repeat changes nothing, whatever became of the role meanwhile.
    """
    from portal import appointments
    from portal.models import Role, User

    login = {"email": f"{ref}@example.org", "name": "An officer"}
    user, is_new = User.objects.get_or_create(ref=ref, defaults=login)
    if is_new:
        appointments.grant_role(user=user, role=Role.PRIVACY_OFFICER, actor=OFFICER)
    return ref


def give_role_back(ref: UUID) -> None:
    """Let somebody be a privacy officer again."""
    from portal import appointments
    from portal.models import Role, User

    user = User.objects.get(ref=ref)
    appointments.grant_role(user=user, role=Role.PRIVACY_OFFICER, actor=OFFICER)


def take_role_away(ref: UUID) -> None:
    """Let somebody be a privacy officer no longer."""
    from portal import appointments
    from portal.models import Role, User

    user = User.objects.get(ref=ref)
    assert appointments.remove_role(user=user, role=Role.PRIVACY_OFFICER, actor=OFFICER)


def let_go(app: App, category: str) -> None:
    """Move an app out of a protected kind, as two officers and a council agree to it."""
    _all_agree("app.change", {"app": app.code, "fields": {"category": category}})


def mark_anew(app: App, marks: list[list[str]]) -> None:
    """Let an app be recognised by these alone, as two officers and a council agree to it."""
    _all_agree("app.change", {"app": app.code, "fields": {"matchers": marks}})


def unblock(app: App) -> None:
    """Settle the reports about an app, if any, as two officers and a council agree to it."""
    if App.objects.filter(pk=app.pk, blocked_at__isnull=False).exists():
        _all_agree("app.unblock", {"app": app.code})


def _all_agree(kind: str, payload: dict[str, object]) -> None:
    author, member, *officers = (UUID(int=n) for n in (90, 91, 92, 93))
    services.give_seat(person=member, unit="letting-go", valid_from=LONG_AGO, actor=OFFICER)
    proposal = services.propose(kind=kind, payload=payload, proposed_by=author)
    services.vote(proposal=proposal.uuid, voter=member, vote="approve", unit="letting-go")
    for officer in map(make_officer, officers):
        proposal = services.vote(proposal=proposal.uuid, voter=officer, vote="approve")
    assert proposal.state == "applied"


def make_agent(
    subject: Subject,
    public_key: bytes | None = None,
    key_kind: Agent.KeyKind = Agent.KeyKind.ED25519,
) -> Agent:
    """An enrolled agent in good standing."""
    return services.enrol_agent(
        subject=subject,
        name="laptop",
        platform=Platform.LINUX,
        public_key=public_key or secrets.token_bytes(32),
        key_kind=key_kind,
    )


def make_policy(agent: Agent, ago: timedelta = timedelta(minutes=5)) -> IssuedPolicy:
    """The agent's policy as issued a little while ago."""
    return services.issue_policy(agent=agent, at=datetime.now(UTC) - ago).policy


def policy_in_force(agent: Agent, at: datetime) -> IssuedPolicy | None:
    """The newest policy, if nothing changed since it was issued and its first half runs."""
    newest = agent.policies.select_related("cohort_policy").order_by("-version").first()
    if newest is None or at >= newest.issued_at + (newest.lease_until - newest.issued_at) / 2:
        return None
    cohort = agent.subject.cohort
    shared = selectors.current_cohort_policy(cohort) if cohort else None
    personal = PersonalPolicy.objects.get(subject_id=agent.subject_id).revision
    same_shared = newest.cohort_policy_id == (shared.pk if shared else None)
    same_switches = newest.switches == list(selectors.stops_now().switches)
    is_newest = same_shared and same_switches and newest.personal_revision == personal
    return newest if is_newest else None


def decision_for(
    subject: Subject, *, purpose: str, app: str, signal: Signal, at: datetime
) -> Decision | None:
    """What is decided for one pair; None where the purpose or the app is not known at all."""
    found = [
        pair.decision
        for pair in selectors.verdicts_for(subject, at=at).pairs
        if (pair.purpose, pair.app, pair.signal) == (purpose, app, signal)
    ]
    return found[0] if found else None


def manifest_for(policy: IssuedPolicy, content: bytes, **differs: object) -> retention.Manifest:
    """What the agent would say about `content`, captured right after the policy was issued."""
    values: dict[str, object] = {
        "batch": uuid4(),
        "policy_version": policy.version,
        "purpose": "train-agents",
        "app": "tracker",
        "signals": {"mouse_click": min(3, max(1, len(content)))},
        "captured_from": policy.issued_at,
        "captured_until": policy.issued_at + timedelta(seconds=60),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "redactor": "test/1",
    }
    return retention.Manifest(**{**values, **differs})  # type: ignore[arg-type]


def hand_in(agent: Agent, policy: IssuedPolicy, content: bytes, **differs: object) -> UUID:
    """Announce and deliver a batch; return its id."""
    manifest = manifest_for(policy, content, **differs)
    retention.announce_batch(agent=agent, manifest=manifest)
    retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[content])
    return manifest.batch
