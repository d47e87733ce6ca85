"""What an organisation publishes: purposes and notices.

Each is applied from a proposal that a second person approved (consent.services.proposals), or, in
an import, by the loader; each writes its ledger entry and refreshes the cohorts it touches.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.digests import digest
from consent.models import Notice, NoticeText, Purpose
from consent.notices import missing_sections
from consent.services.cohorts import refresh_cohorts
from consent.services.locks import locked_purpose

Texts = Mapping[str, tuple[str, dict[str, str]]]
"""Of a notice: language -> (title, sections)."""


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
    texts: Texts,
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
    locked_purpose(purpose.pk)
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
