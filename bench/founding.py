"""Everything the services write themselves: what is published, and one person of each kind."""

from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.ledger import Actor
from bench import plan
from consent import selectors, services
from consent.models import App, Notice, Purpose, Subject
from consent.notices import REQUIRED_SECTIONS
from consent.policy.types import MatcherKind, Platform, Signal
from consent.rules import rulebook
from portal.api.tokens import PREFIX, token_hash
from portal.models import AgentToken

OFFICER: Final = Actor.staff(UUID("00000000-0000-4000-8000-000000000001"))
SINCE: Final = date(2024, 1, 1)
FOUNDED_DAYS_AGO: Final = 120
DECIDED_DAYS_AGO: Final = 20


def found_company(app_count: int = plan.APPS) -> None:
    """Publish purposes, apps, notices and evidence; there is nobody yet, so nobody is asked."""
    at = plan.days_ago(datetime.now(UTC).date(), FOUNDED_DAYS_AGO)
    with services.refresh_once():
        listed = [_list(app, at) for app in plan.apps(app_count)]
        for position, planned in enumerate(plan.PURPOSES):
            purpose = services.publish_purpose(
                code=planned.code,
                title=planned.code.replace("-", " ").capitalize(),
                description="Measured, and used for nothing.",
                retention_days=planned.retention_days,
                position=position,
                actor=OFFICER,
                at=at,
                imported=True,
            )
            for number in planned.apps:
                services.allow_in_purpose(
                    purpose=purpose,
                    app=listed[number],
                    signals=planned.signals,
                    actor=OFFICER,
                    at=at,
                    imported=True,
                )
            _close_gates(purpose)
            _publish_notice(purpose, at)


def _list(app: plan.PlannedApp, at: datetime) -> App:
    return services.list_app(
        code=app.code,
        name=app.code.replace("-", " ").capitalize(),
        category=app.category,
        data_of=app.data_of.value,
        matchers=[
            (Platform.WEB, MatcherKind.DOMAIN, app.domain),
            (Platform.WINDOWS, MatcherKind.EXECUTABLE, f"{app.code}.exe"),
            (Platform.MACOS, MatcherKind.BUNDLE_ID, f"example.{app.code}"),
        ],
        actor=OFFICER,
        at=at,
        imported=True,
    )


def _close_gates(purpose: Purpose) -> None:
    """Close every gate that the laws of the places, and those above them, know."""
    rows = {row.code: row for place in plan.PLACES for row in rulebook().lineage(place.code)}
    gates = [(code, gate) for code, row in rows.items() for gate in sorted(row.own.gates)]
    services.close_gate(
        purpose=purpose,
        gates=gates + [(place.code, "counsel_signoff") for place in plan.PLACES],
        document_title="Evidence of the measurement",
        document_sha256=sha256(b"evidence").hexdigest(),
        valid_from=SINCE,
        valid_until=None,
        actor=OFFICER,
    )


def _publish_notice(purpose: Purpose, at: datetime) -> Notice:
    sections = {code: "Plain words about this, as long as a short paragraph." * 3
                for code, _ in REQUIRED_SECTIONS}  # fmt: skip
    return services.publish_notice(
        purpose=purpose, texts={"en": ("About this", sections)}, actor=OFFICER, at=at, imported=True
    )


@transaction.atomic
def write_person(archetype: plan.Archetype, *, at: datetime) -> Subject:
    """Write one person through the services, with their choices and their machine."""
    subject = services.record_subject(
        language="en",
        facts=dict(archetype.facts),
        since=SINCE,
        source="bench",
        actor=OFFICER,
        event_time=at,
        imported=True,
    )
    for choice in archetype.choices:
        _decide(subject, choice, at)
    if archetype.has_agent:
        agent = services.enrol_agent(
            subject=subject,
            name="laptop",
            platform=Platform.LINUX,
            public_key=sha256(subject.ref.bytes).digest(),
            event_time=at,
            imported=True,
        )
        AgentToken.objects.create(agent=agent, sha256=token_hash(token_of(agent.ref)))
    return subject


def _decide(subject: Subject, choice: plan.Choice, at: datetime) -> None:
    notice = selectors.current_notice(Purpose.objects.get(code=choice.purpose))
    if notice is None:
        raise LookupError(f"the purpose {choice.purpose} has no notice")
    said = {"language": "en", "event_time": at, "imported": True}
    services.acknowledge_notice(subject=subject, notice=notice, event_time=at, imported=True)
    if choice.pairs:
        pairs = [services.Pair(app, Signal(signal)) for app, signal in choice.pairs]
        services.give_consent(
            subject=subject, purpose=choice.purpose, notice=notice, pairs=pairs, **said
        )
    else:
        services.decline_consent(
            subject=subject,
            purpose=choice.purpose,
            notice=notice,
            deferred=choice.state == "deferred",
            **said,
        )
    if choice.state == "withdrawn":
        services.withdraw_consent(
            subject=subject, purpose=choice.purpose, event_time=at, imported=True
        )


def token_of(ref: UUID) -> str:
    """Return the token of an agent: here it follows from the agent, so that any can be picked."""
    return PREFIX + sha256(str(ref).encode()).hexdigest()
