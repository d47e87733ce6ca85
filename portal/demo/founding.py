"""The first steps of the company: logins, apps, purposes, notices, evidence, the agreement."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from allauth.account.models import EmailAddress
from django.utils.translation import gettext_noop

from audit import events, ledger
from audit.ledger import Actor
from consent import selectors, services
from consent.models import Agreement, App, CouncilSeat, GateEvidence, Proposal, Purpose
from consent.policy.types import AppCategory, Signal
from portal.demo.company import (
    AgreementData,
    AppData,
    EvidenceData,
    HoursData,
    NoticeData,
    Persona,
    ProposalData,
    PurposeData,
    apps,
    company,
)
from portal.demo.notices import notice_texts
from portal.demo.world import COUNCIL, OFFICER, World
from portal.models import RoleGrant, User

FOUNDING: Final = gettext_noop("Loading the demo: notices")


@dataclass(frozen=True)
class OpenAccount:
    """A login with a password and, where the persona has one, a role."""

    at: datetime
    persona: Persona
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the login."""
        return User.objects.filter(email=self._email).exists()

    def do(self, world: World) -> None:
        """Make login, address and role grant."""
        user = User.objects.create_user(self._email, world.password, name=self.persona.name)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        if not self.persona.grants:
            return
        grant = RoleGrant.objects.create(user=user, role=self.persona.grants, granted_at=self.at)
        # Nobody grants themselves a role: the first grant is the set-up's, the others are theirs.
        first = self.persona.role == OFFICER
        ledger.append(
            events.RoleGranted(role=grant.role, to=user.ref),
            actor=Actor.system("setup") if first else world.officer,
            covers=[grant],
            event_time=self.at,
            imported=True,
        )

    @property
    def _email(self) -> str:
        return f"{self.persona.email}@{company().domain}"


@dataclass(frozen=True)
class PublishPurpose:
    """A purpose, and what it may ask for."""

    at: datetime
    data: PurposeData
    position: int
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the purpose; its allowlist was written in the same transaction."""
        return Purpose.objects.filter(code=self.data.code).exists()

    def do(self, world: World) -> None:
        """Publish it, then let it ask for its apps and signals."""
        with services.refresh_once():
            self._publish(world)

    def _publish(self, world: World) -> None:
        purpose = services.publish_purpose(
            code=self.data.code,
            title=self.data.title,
            description=self.data.description,
            retention_days=self.data.retention_days,
            position=self.position,
            actor=world.officer,
            at=self.at,
            imported=True,
        )
        for app in App.objects.filter(code__in=self.data.apps).order_by("code"):
            services.allow_in_purpose(
                purpose=purpose,
                app=app,
                signals=[Signal(signal) for signal in self.data.asks(apps()[app.code])],
                actor=world.officer,
                at=self.at,
                imported=True,
            )


@dataclass(frozen=True)
class ListApp:
    """An app in the registry."""

    at: datetime
    data: AppData
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the app."""
        return App.objects.filter(code=self.data.code).exists()

    def do(self, world: World) -> None:
        """Put it there with the marks by which agents recognise it."""
        services.list_app(
            code=self.data.code,
            name=self.data.name,
            category=AppCategory(self.data.category),
            data_of=self.data.data_of,
            matchers=self.data.matchers,
            actor=world.officer,
            at=self.at,
            imported=True,
        )


@dataclass(frozen=True)
class PublishNotice:
    """A version of a notice in all languages."""

    at: datetime
    purpose: PurposeData
    notice: NoticeData
    version: int
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the version."""
        return world.purpose(self.purpose.code).notices.filter(version=self.version).exists()

    def do(self, world: World) -> None:
        """Publish it; earlier answers then need renewal."""
        world.forget_notice(self.purpose.code)
        services.publish_notice(
            purpose=world.purpose(self.purpose.code),
            texts=notice_texts(
                self.purpose, self.notice, version=self.version, prepared_on=self.at.date()
            ),
            actor=world.officer,
            at=self.at,
            imported=True,
        )


@dataclass(frozen=True)
class CloseGates:
    """A document that closes gates, of one purpose or of several."""

    at: datetime
    purposes: tuple[str, ...]
    data: EvidenceData
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the first of its gates; all were closed in one transaction."""
        jurisdiction, gate = self.data.gates[0]
        return GateEvidence.objects.filter(
            purpose__code=self.purposes[0], jurisdiction=jurisdiction, gate=gate
        ).exists()

    def do(self, world: World) -> None:
        """Close them from the day of the document on."""
        with services.refresh_once():
            for purpose in self.purposes:
                self._close(purpose, world)

    def _close(self, purpose: str, world: World) -> None:
        services.close_gate(
            purpose=world.purpose(purpose),
            gates=self.data.gates,
            document_title=self.data.title,
            document_sha256=_digest(self.data.title),
            valid_from=self.at.date(),
            valid_until=self.at.date() + timedelta(days=self.data.valid_days),
            not_applicable_reason=self.data.not_applicable,
            actor=world.officer,
            at=self.at,
            imported=True,
        )


@dataclass(frozen=True)
class Agree:
    """The works agreement."""

    at: datetime
    data: AgreementData
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the agreement."""
        return Agreement.objects.filter(code=self.data.code).exists()

    def do(self, world: World) -> None:
        """Record it as caps."""
        services.record_agreement(
            agreement=Agreement(
                code=self.data.code,
                title=self.data.title,
                parties=self.data.parties,
                jurisdictions=list(self.data.jurisdictions),
                apps=list(self.data.apps),
                signals=list(self.data.signals),
                retention_cap_days=self.data.retention_cap_days,
                valid_from=self.at.date(),
                valid_until=self.at.date() + timedelta(days=self.data.valid_days),
                document_sha256=_digest(self.data.document),
                council_may_veto=True,
                council_units=list(self.data.council_units),
            ),
            actor=world.officer,
            at=self.at,
            imported=True,
        )


@dataclass(frozen=True)
class TakeSeats:
    """Somebody to speak for the council of each unit that the agreement names."""

    at: datetime
    data: AgreementData
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the seats."""
        return CouncilSeat.objects.exists()

    def do(self, world: World) -> None:
        """Give them to the council's persona."""
        for unit in self.data.council_units:
            services.give_seat(
                person=world.persona(COUNCIL).ref,
                unit=unit,
                valid_from=self.at.date(),
                actor=Actor.system("setup"),
            )


@dataclass(frozen=True)
class SetHours:
    """Working hours for one place."""

    at: datetime
    data: HoursData
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the hours."""
        return self.data.whom in selectors.working_hours()

    def do(self, world: World) -> None:
        """Set them, now: what was recorded before was bound to none."""
        services.set_working_hours(
            whom=self.data.whom,
            hours=self.data.hours,
            actor=world.officer,
            at=self.at,
            imported=True,
        )


@dataclass(frozen=True)
class ProposeChange:
    """A change that waits for the second approver, and for the council."""

    at: datetime
    data: ProposalData
    label: str = FOUNDING

    def done(self, world: World) -> bool:
        """Look for the proposal."""
        return Proposal.objects.exists()

    def do(self, world: World) -> None:
        """Propose it as the privacy officer, now: a proposal is never imported."""
        services.propose(
            kind=self.data.kind,
            payload=dict(self.data.payload),
            proposed_by=world.persona(OFFICER).ref,
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
