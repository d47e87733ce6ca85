"""What an organisation publishes: purposes, notices, apps, allowlists, agreements, gate evidence.

Each is applied from a proposal that a second person approved (consent.services.proposals), or, in
an import, by the loader; each writes its ledger entry and refreshes the cohorts it touches.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.digests import digest
from consent.models import (
    Agreement,
    AllowlistEntry,
    App,
    AppMatcher,
    GateEvidence,
    Notice,
    NoticeText,
    Purpose,
)
from consent.notices import missing_sections
from consent.policy.types import NEVER_CATEGORIES, AppCategory, MatcherKind, Platform, Signal
from consent.services.cohorts import refresh_cohorts


@transaction.atomic
def publish_purpose(
    *,
    code: str,
    title: str,
    description: str,
    retention_days: int,
    position: int,
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> Purpose:
    """Return a purpose that may be asked about as soon as it has a notice and an allowlist."""
    purpose = Purpose.objects.create(
        code=code,
        title=title,
        description=description,
        retention_days=retention_days,
        position=position,
        published_at=at or timezone.now(),
    )
    ledger.append(
        events.PurposePublished(
            purpose=code,
            version=1,
            digest=digest([code, title, description, retention_days]),
        ),
        actor=actor,
        covers=[purpose],
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=at or timezone.now())
    return purpose


@transaction.atomic
def publish_notice(
    *,
    purpose: Purpose,
    texts: Mapping[str, tuple[str, dict[str, str]]],
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> Notice:
    """Publish the next version, language -> (title, sections); earlier answers then need renewal.

    Raises NoticeIncomplete when a language lacks a section that some law asks for.
    """
    for language, (_, sections) in texts.items():
        if missing := missing_sections(sections):
            raise exceptions.NoticeIncomplete(f"{language}: {', '.join(missing)}")
    Purpose.objects.select_for_update().get(pk=purpose.pk)
    newest = purpose.notices.order_by("-version").first()
    when = at or timezone.now()
    notice = Notice.objects.create(
        purpose=purpose,
        version=newest.version + 1 if newest else 1,
        prepared_on=when.date(),
        sha256=digest({lang: [title, sections] for lang, (title, sections) in texts.items()}),
    )
    rows = NoticeText.objects.bulk_create(
        NoticeText(notice=notice, language=language, title=title, sections=sections)
        for language, (title, sections) in texts.items()
    )
    # Published last: from here on the database refuses any change to it.
    notice.published_at = when
    notice.save(update_fields=["published_at"])
    ledger.append(
        events.NoticePublished(
            purpose=purpose.code,
            notice_version=notice.version,
            languages=tuple(sorted(texts)),
            digest=notice.sha256,
        ),
        actor=actor,
        covers=[notice, *rows],
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=when)
    return notice


@transaction.atomic
def list_app(
    *,
    code: str,
    name: str,
    category: AppCategory,
    data_of: str,
    matchers: Iterable[tuple[Platform, MatcherKind, str]],
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> App:
    """Put an app into the registry; being there allows nothing yet."""
    app = App.objects.create(code=code, name=name, category=category.value, data_of=data_of)
    rows = AppMatcher.objects.bulk_create(
        AppMatcher(app=app, platform=platform.value, kind=kind.value, value=value)
        for platform, kind, value in matchers
    )
    ledger.append(
        events.AppListed(
            app=code,
            category=category.value,
            digest=digest(sorted([row.platform, row.kind, row.value] for row in rows)),
        ),
        actor=actor,
        covers=[app, *rows],
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=at or timezone.now())
    return app


@transaction.atomic
def allow_in_purpose(
    *,
    purpose: Purpose,
    app: App,
    signals: Iterable[Signal],
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> list[AllowlistEntry]:
    """Let the purpose ask for these signals of the app.

    Raises NeverCapturable for an app that nobody may ever capture.
    """
    if AppCategory(app.category) in NEVER_CATEGORIES:
        raise exceptions.NeverCapturable
    rows = AllowlistEntry.objects.bulk_create(
        AllowlistEntry(
            purpose=purpose, app=app, signal=signal.value, listed_at=at or timezone.now()
        )
        for signal in signals
    )
    ledger.append(
        events.AllowlistChanged(
            purpose=purpose.code,
            app=app.code,
            allowed=True,
            signals=tuple(sorted(row.signal for row in rows)),
        ),
        actor=actor,
        covers=rows,
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=at or timezone.now())
    return rows


@transaction.atomic
def record_agreement(
    *,
    agreement: Agreement,
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> Agreement:
    """Store a works agreement as caps; from its first day nobody can publish beyond it."""
    agreement.save(force_insert=True)
    ledger.append(
        events.AgreementRecorded(
            agreement=agreement.code,
            kind="works_agreement",
            jurisdiction=agreement.jurisdictions[0],
            digest=agreement.document_sha256,
            valid_from=agreement.valid_from,
            valid_until=agreement.valid_until,
            parties=agreement.parties,
        ),
        actor=actor,
        covers=[agreement],
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=at or timezone.now())
    return agreement


@transaction.atomic
def close_gate(
    *,
    purpose: Purpose,
    gates: Iterable[tuple[str, str]],
    document_title: str,
    document_sha256: str,
    valid_from: date,
    valid_until: date | None,
    actor: Actor,
    not_applicable_reason: str = "",
    at: datetime | None = None,
    imported: bool = False,
) -> list[GateEvidence]:
    """Close gates (jurisdiction, gate) of a purpose by one document; they reopen when it lapses.

    A gate whose condition does not hold is closed with the reason why it does not apply.
    """
    if actor.kind == "system":
        raise exceptions.ApproverUnknown
    closed_by = UUID(actor.ref)
    rows = GateEvidence.objects.bulk_create(
        GateEvidence(
            purpose=purpose,
            jurisdiction=jurisdiction,
            gate=gate,
            document_title=document_title,
            document_sha256=document_sha256,
            not_applicable_reason=not_applicable_reason,
            closed_by=closed_by,
            valid_from=valid_from,
            valid_until=valid_until,
        )
        for jurisdiction, gate in gates
    )
    for row in rows:
        ledger.append(
            events.GateClosed(
                gate=row.gate,
                purpose=purpose.code,
                jurisdiction=row.jurisdiction,
                evidence_digest=document_sha256,
            ),
            actor=actor,
            covers=[row],
            event_time=at,
            imported=imported,
        )
    refresh_cohorts(at=at or timezone.now())
    return rows
