"""One purpose, one app, and people with a yes and a machine: all by the services."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.machine import account
from sayso_agent.portal import Endpoints

from bench.founding import OFFICER, SINCE
from consent import services
from consent.models import Notice, Purpose, Subject
from consent.notices import REQUIRED_SECTIONS
from consent.policy.types import AppCategory, DataOf, MatcherKind, Platform, Signal
from consent.rules import rulebook
from portal.api.tokens import new_token, token_hash
from portal.models import AgentToken, User
from portal.policykeys import standing

PLACE: Final = "IE"
APP: Final = "tracker"
HOST: Final = "tracker.example"
PURPOSE: Final = "train-agents"


def found() -> Notice:
    """Publish what people can say yes to; a repeat returns what is published."""
    if standing := Notice.objects.first():
        return standing
    at = datetime.now(UTC) - timedelta(days=120)
    app = services.list_app(
        code=APP,
        name="Tracker",
        category=AppCategory.TRACKER,
        data_of=DataOf.OWN.value,
        matchers=[(Platform.WEB, MatcherKind.DOMAIN, HOST)],
        actor=OFFICER,
        at=at,
        imported=True,
    )
    purpose = services.publish_purpose(
        code=PURPOSE,
        title="Train agents",
        description="Measured, and used for nothing.",
        retention_days=60,
        position=1,
        actor=OFFICER,
        at=at,
        imported=True,
    )
    services.allow_in_purpose(
        purpose=purpose, app=app, signals=[Signal.MOUSE_CLICK], actor=OFFICER, at=at, imported=True
    )
    _close_gates(purpose)
    sections = {code: "Plain words." for code, _ in REQUIRED_SECTIONS}
    return services.publish_notice(
        purpose=purpose, texts={"en": ("About this", sections)}, actor=OFFICER, at=at, imported=True
    )


def _close_gates(purpose: Purpose) -> None:
    rows = rulebook().lineage(PLACE)
    gates = [(row.code, gate) for row in rows for gate in sorted(row.own.gates)]
    services.close_gate(
        purpose=purpose,
        gates=[*gates, (PLACE, "counsel_signoff")],
        document_title="Evidence of the measurement",
        document_sha256=sha256(b"evidence").hexdigest(),
        valid_from=SINCE,
        valid_until=None,
        actor=OFFICER,
    )


@transaction.atomic
def write_person(number: int, notice: Notice, folder: Path, portal: str) -> tuple[Subject, User]:
    """Write a person with a yes and a login, and the state folder of their enrolled machine."""
    subject = services.record_subject(
        language="en",
        facts={"work_location": PLACE},
        since=SINCE,
        source="bench",
        actor=OFFICER,
    )
    services.acknowledge_notice(subject=subject, notice=notice)
    services.give_consent(
        subject=subject,
        purpose=PURPOSE,
        notice=notice,
        pairs=[services.Pair(APP, Signal.MOUSE_CLICK)],
        language="en",
    )
    key, token = Ed25519PrivateKey.generate(), new_token()
    agent = services.enrol_agent(
        subject=subject,
        name="laptop",
        platform=Platform.LINUX,
        public_key=key.public_key().public_bytes_raw(),
    )
    AgentToken.objects.create(agent=agent, sha256=token_hash(token))
    paths = Endpoints(
        policy=portal + reverse("api-policy"),
        ack=portal + reverse("api-policy-ack"),
        batches=portal + reverse("api-batches"),
        manifest=portal + reverse("key-manifest"),
    )
    root = standing.ensure().root
    identity = Identity(
        portal, settings.PUBLIC_URL, str(agent.ref), token, "laptop", paths, root, account=account()
    )
    Home(folder).save_identity(identity, key)
    user = User.objects.create_user(
        f"simulated-{folder.parent.name}-{number:05}@bench.example",
        name="Somebody",
        subject=subject,
    )
    return subject, user
