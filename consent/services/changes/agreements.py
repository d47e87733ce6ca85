"""Changes to agreements: a new one, as caps that nobody can publish beyond."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final, Self

from django.db.models import Q
from django.utils import timezone

from audit.ledger import Actor
from consent.exceptions import CannotRevert, ChangeUnfit
from consent.models import Agreement, Cohort, GateEvidence
from consent.policy.hours import WorkingHours
from consent.policy.types import Signal
from consent.rules import rulebook
from consent.selectors.agreements import Agreements, site_key
from consent.selectors.impact import population
from consent.services.agreements import record_agreement
from consent.services.changes.given import PLACE, SHA256, Given
from consent.services.changes.hours import hours_of
from consent.services.changes.kind import Change, Payload, Reach, Standing, refuse_odd_day

NUMBER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")
LISTS: Final = ("jurisdictions", "sites", "purposes", "apps", "signals", "council_units")


@dataclass(frozen=True)
class AgreementRecord(Change):
    """A works agreement. One that replaces another may cap less, and one that completes the others
    speaks for whom they leave out, so those wait for votes.
    """

    kind: ClassVar[str] = "agreement.record"

    code: str
    title: str
    parties: str
    jurisdictions: tuple[str, ...]
    sites: tuple[str, ...]
    purposes: tuple[str, ...]
    apps: tuple[str, ...]
    signals: tuple[Signal, ...]
    retention_cap_days: int | None
    working_hours: WorkingHours | None
    valid_from: date
    valid_until: date | None
    document_sha256: str
    council_may_veto: bool
    council_units: tuple[str, ...]
    replaces: str | None
    completes: bool

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read it."""
        agreement = cls(
            code=given.matching("code", NUMBER, "letters, digits and _.:-, 60 at most"),
            title=given.text("title", longest=200),
            parties=given.text("parties", longest=200),
            jurisdictions=given.names("jurisdictions", longest=8),
            sites=given.names("sites"),
            purposes=given.names("purposes", longest=60),
            apps=given.names("apps", longest=60),
            signals=given.words("signals", Signal),
            retention_cap_days=(
                None
                if given.is_null("retention_cap_days")
                else given.whole("retention_cap_days", least=1, most=3650)
            ),
            # Proposals from before agreements could speak of hours do not have the key.
            working_hours=(
                None
                if not given.has("working_hours") or given.is_null("working_hours")
                else _hours(given)
            ),
            valid_from=given.day("valid_from"),
            valid_until=None if given.is_null("valid_until") else given.day("valid_until"),
            document_sha256=given.matching("document_sha256", SHA256, "a SHA-256 in small hex"),
            council_may_veto=given.flag("council_may_veto"),
            council_units=given.names("council_units"),
            replaces=(
                None
                if given.is_null("replaces")
                else given.matching("replaces", NUMBER, "the number of an agreement, or null")
            ),
            # Proposals from before this was asked for do not have the key.
            completes=given.has("completes") and given.flag("completes"),
        )
        agreement.refuse_odd(given)
        return agreement

    def refuse_odd(self, given: Given) -> None:
        """Refuse what no agreement says: no place, an end before its beginning, no unit to ask."""
        if not self.jurisdictions:
            given.refuse("jurisdictions", "must have one place at least")
        if wrong := [code for code in self.jurisdictions if not PLACE.fullmatch(code)]:
            given.refuse("jurisdictions", f"{wrong[0]!r} is no code of a place")
        if self.valid_until and self.valid_until <= self.valid_from:
            given.refuse("valid_until", "must lie after valid_from")
        if self.council_may_veto and not self.council_units:
            given.refuse("council_units", "must name a unit where the council may veto")

    def check(self) -> None:
        """Refuse a number that is taken, an unknown place, and what was replaced already."""
        if Agreement.objects.filter(code=self.code).exists():
            raise ChangeUnfit("code: is taken by another agreement")
        refuse_odd_day("valid_from", self.valid_from)
        if unknown := sorted(set(self.jurisdictions) - set(rulebook().rows)):
            raise ChangeUnfit(f"jurisdictions: no rules are known for {unknown[0]}")
        if self.replaces:
            replaced = self.replaced()
            if replaced is None or Agreement.objects.filter(replaces=replaced).exists():
                raise ChangeUnfit("replaces: there is no such agreement to be replaced")

    def standing(self) -> Standing:
        """Return the agreement of this number, all of it null where there is none."""
        row = Agreement.objects.select_related("replaces").filter(code=self.code).first()
        return {
            "title": row and row.title,
            "parties": row and row.parties,
            **{name: row and list(getattr(row, name)) for name in LISTS},
            "retention_cap_days": row and row.retention_cap_days,
            "working_hours": row and row.working_hours and row.working_hours["hours"],
            "valid_from": row and row.valid_from.isoformat(),
            "valid_until": row and row.valid_until and row.valid_until.isoformat(),
            "document_sha256": row and row.document_sha256,
            "council_may_veto": row and row.council_may_veto,
            "replaces": row and row.replaces and row.replaces.code,
            **({"completes": True} if row and row.completes else {}),
        }

    def tightens(self) -> bool:
        """Say whether it comes on top of what stands: then it permits nothing, on no day.

        That follows from how agreements are combined (`consent.selectors.agreements`), not from
        who is there today nor from when it begins.
        """
        return self.replaces is None and not self.completes

    def asks_ahead(self) -> bool:
        """Say yes: what it replaces or completes may be to come."""
        return True

    def begins(self) -> date:
        """Return its first day."""
        return self.valid_from

    def reach(self) -> Reach:
        """Return the places of the replaced agreement, besides its own."""
        replaced = self.replaced()
        places = set(self.jurisdictions) | set(replaced.jurisdictions if replaced else ())
        return Reach(jurisdictions=frozenset(places))

    def replaced(self) -> Agreement | None:
        """Return the agreement it replaces; None where there is none of that number."""
        return Agreement.objects.filter(code=self.replaces).first() if self.replaces else None

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Record it."""
        record_agreement(
            agreement=Agreement(
                code=self.code,
                title=self.title,
                parties=self.parties,
                jurisdictions=list(self.jurisdictions),
                sites=list(self.sites),
                purposes=list(self.purposes),
                apps=list(self.apps),
                signals=[signal.value for signal in self.signals],
                retention_cap_days=self.retention_cap_days,
                working_hours=self.working_hours.as_json() if self.working_hours else None,
                valid_from=self.valid_from,
                valid_until=self.valid_until,
                document_sha256=self.document_sha256,
                council_may_veto=self.council_may_veto,
                council_units=list(self.council_units),
                replaces=self.replaced(),
                completes=self.completes,
            ),
            actor=actor,
            at=at,
        )

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Replace it by a copy of what it replaced, or by one that caps nothing.

        An agreement stays on record; the way back is one more, which waits for its votes. One that
        caps nothing is for every site, so that nobody of the place is left without. There is no
        way back from one that was replaced since, that came after one that is over or was about
        fewer people, or whose document, for some sites, would become evidence for all of them.
        """
        old, code = self.replaced(), f"{self.code[:55]}.back"
        first = max(self.valid_from, timezone.now().date())
        over = old and old.valid_until and old.valid_until <= first
        taken = Agreement.objects.filter(Q(code=code) | Q(replaces__code=self.code))
        if over or taken.exists() or not self._can_be_taken_over(old):
            raise CannotRevert(
                "It was replaced since, or what stood before it is over, was about fewer people or"
                " would become evidence for more of them."
            )
        caps = _caps_of(old) if old else self._no_caps()
        return self.kind, {
            **caps,
            "code": code,
            "valid_from": first.isoformat(),
            "replaces": self.code,
            "completes": bool(old and old.completes),
        }

    def instead(self) -> tuple[str, Payload] | None:
        """Let the caps of what it replaced come on top, which narrows; None where it lifted none.

        One that replaced nothing only narrowed, and what has come on top already does so.
        """
        old, today = self.replaced(), timezone.now().date()
        if old is None or (old.valid_until and old.valid_until <= today):
            return None
        code = f"{old.code[:54]}.again"
        if Agreement.objects.filter(code=code).exists():
            return None
        first = max(old.valid_from, today).isoformat()
        extra = {"code": code, "valid_from": first, "replaces": None, "completes": False}
        return self.kind, {**_caps_of(old), **extra}

    def _no_caps(self) -> Payload:
        return {
            **{name: [] for name in LISTS},
            "jurisdictions": list(self.jurisdictions),
            "retention_cap_days": None,
            "working_hours": None,
            "valid_until": None,
            "document_sha256": self.document_sha256,
            "council_may_veto": False,
            "title": self.title,
            "parties": self.parties,
        }

    def _can_be_taken_over(self, by: Agreement | None) -> bool:
        """Say whether what stood before reaches everybody whom this one binds."""
        if by is None:
            papers = GateEvidence.objects.filter(document_sha256=self.document_sha256)
            return not (self.sites and papers.exists())
        own = Agreement.objects.get(code=self.code)
        return Agreements([by, own], rulebook()).takes_over(by, own, None)

    def unknown(self) -> tuple[str, ...]:
        """Return the sites it names where, by everybody's facts, nobody is today."""
        here = population()
        known = {
            site_key(site)
            for cohort in Cohort.objects.all()
            if here.get(cohort.pk)
            for site in cohort.facts["sites"]
        }
        return tuple(site for site in self.sites if site_key(site) not in known)


def _caps_of(row: Agreement) -> Payload:
    """Return what an agreement says, without its number, its first day and its place in a line."""
    return {
        **{name: list(getattr(row, name)) for name in LISTS},
        "retention_cap_days": row.retention_cap_days,
        "working_hours": row.working_hours,
        "valid_until": row.valid_until and row.valid_until.isoformat(),
        "document_sha256": row.document_sha256,
        "council_may_veto": row.council_may_veto,
        "title": row.title,
        "parties": row.parties,
    }


def _hours(given: Given) -> WorkingHours | None:
    inner = given.inner("working_hours")
    hours = hours_of(inner)
    inner.finish()
    return hours
