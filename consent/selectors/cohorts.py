"""The shared half of every policy, computed from what is published, agreed and evidenced."""

from datetime import date, datetime
from typing import Any

from django.db.models import Q

from consent.models import (
    Agreement,
    AllowlistEntry,
    App,
    Cohort,
    CohortPolicy,
    GateEvidence,
    Purpose,
    Subject,
    SubjectFact,
)
from consent.rules import rulebook
from consent.selectors.choices import current_notice
from consent.selectors.stops import is_stopped


def cohort_facts(subject: Subject, *, at: datetime) -> dict[str, list[str]]:
    """Return the facts that this subject shares with others; no place known means no jurisdiction.

    Nobody without a work location can be allowed anything: an empty list denies.
    """
    today = at.date()
    facts = SubjectFact.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=today),
        subject=subject,
        valid_from__lte=today,
    )
    jurisdictions = {f.value for f in facts if f.kind in SubjectFact.JURISDICTION_KINDS}
    sites = {f.value for f in facts if f.kind == SubjectFact.Kind.SITE}
    return {"jurisdictions": sorted(jurisdictions), "sites": sorted(sites)}


def current_cohort_policy(cohort: Cohort) -> CohortPolicy | None:
    """Return the newest revision; None, which denies everything, when there is none."""
    return cohort.policies.order_by("-revision").first()


def cohort_document(cohort: Cohort, *, at: datetime) -> dict[str, Any]:
    """Return what is decided for everyone in the cohort alike, as a JSON document."""
    jurisdictions = cohort.facts["jurisdictions"]
    purposes = Purpose.objects.filter(published_at__isnull=False).order_by("pk")
    return {
        "jurisdictions": jurisdictions,
        "rulebook": rulebook().digest,
        "apps": _apps(),
        "purposes": {purpose.code: _purpose(purpose, jurisdictions) for purpose in purposes},
    }


def _apps() -> dict[str, Any]:
    return {
        app.code: {
            "name": app.name,
            "category": app.category,
            "data_of": app.data_of,
            "blocked": app.blocked_at is not None,
            "matchers": [
                {"platform": m.platform, "kind": m.kind, "value": m.value}
                for m in sorted(app.matchers.all(), key=lambda m: (m.platform, m.kind, m.value))
            ],
        }
        for app in App.objects.prefetch_related("matchers").order_by("code")
    }


def _purpose(purpose: Purpose, jurisdictions: list[str]) -> dict[str, Any]:
    notice = current_notice(purpose)
    return {
        "title": purpose.title,
        "stopped": is_stopped(purpose),
        "retention_days": purpose.retention_days,
        "notice_version": notice.version if notice else None,
        "notice_on": _day(notice.published_at.date() if notice and notice.published_at else None),
        "allowlist": _allowlist(purpose),
        "gates": _gates(purpose),
        "agreements": _agreements(purpose, jurisdictions),
    }


def _allowlist(purpose: Purpose) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    entries = AllowlistEntry.objects.filter(purpose=purpose, delisted_at__isnull=True)
    for code, signal in entries.order_by("app__code", "signal").values_list("app__code", "signal"):
        listed.setdefault(code, []).append(signal)
    return listed


def _gates(purpose: Purpose) -> list[dict[str, Any]]:
    # Evidence that lapses later is kept with its dates; the evaluation looks at the day.
    return [
        {
            "gate": evidence.gate,
            "jurisdiction": evidence.jurisdiction,
            "from": _day(evidence.valid_from),
            "until": _day(evidence.valid_until),
        }
        for evidence in GateEvidence.objects.filter(purpose=purpose).order_by("pk")
    ]


def _agreements(purpose: Purpose, jurisdictions: list[str]) -> list[dict[str, Any]]:
    found = Agreement.objects.filter(jurisdictions__overlap=jurisdictions).order_by("pk")
    return [
        {
            "code": agreement.code,
            "apps": agreement.apps,
            "signals": agreement.signals,
            "retention_cap_days": agreement.retention_cap_days,
            "from": _day(agreement.valid_from),
            "until": _day(agreement.valid_until),
        }
        for agreement in found
        if not agreement.purposes or purpose.code in agreement.purposes
    ]


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
