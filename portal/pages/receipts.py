"""The person's copies: receipts of decisions (ISO/IEC TS 27560) and certificates of deletion."""

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit import events, ledger
from audit import selectors as ledger_reading
from audit.ledger import Actor
from consent import selectors
from consent.models import ConsentEvent, Subject
from consent.policy.types import SIGNAL_GROUPS, ConsentState
from portal.pages.changes.values import place_name
from portal.pages.crumbs import crumb
from portal.pages.holdings import certificates_of
from portal.pages.noticetext import text_of
from portal.pages.rulewords import value_words
from portal.people import subject_of
from portal.receipts import as_json, as_jsonld, terms_of
from portal.templatetags.words import language_name


@login_required
@require_safe
def receipt(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the copy of one decision of one's own."""
    event = _own_event(request, uuid)
    text = text_of(event.notice, event.language)
    entry = next(iter(ledger_reading.entries_covering("consent_consentevent", event.pk)), None)
    terms = terms_of(event)
    return render(
        request,
        "you/receipt.html",
        {
            "crumbs": [crumb("history")],
            "receipt": {
                "id": event.uuid,
                "state": event.state,
                "event_time": event.event_time,
                "recorded_at": event.recorded_at,
                "purpose": terms.title,
                "controller": text.sections["controller"],
                "notice_title": text.title,
                "notice_version": event.notice.version,
                "notice_language": language_name(text.language),
                "notice_url": reverse("you-notice", args=[event.notice.uuid]),
                "lawful_basis": value_words("legal_basis_allowed", event.purpose.lawful_basis),
                "jurisdictions": [place_name(code) for code in terms.places],
                "rules": event.pack_version,
                "rules_digest": event.pack_digest,
                "scopes": scopes_in_words(event),
                "how_long": text.sections["retention"],
                "recipients": text.sections["recipients"],
                "shorter_notice": selectors.waivers_under(event),
                "valid_until": event.valid_until,
                "entry": _entry_words(entry),
                "proof_url": reverse("you-proof", args=[event.uuid]) if entry else "",
            },
            "json_url": reverse("you-receipt-file", args=[event.uuid, "json"]),
            "jsonld_url": reverse("you-receipt-file", args=[event.uuid, "jsonld"]),
        },
    )


FORMS = {"json": ("application/json", as_json), "jsonld": ("application/ld+json", as_jsonld)}


@login_required
@require_safe
def receipt_file(request: HttpRequest, uuid: UUID, form: str) -> HttpResponse:
    """Hand out the receipt as a file; that it was taken is recorded."""
    if form not in FORMS:
        raise Http404
    event = _own_event(request, uuid)
    content_type, render_form = FORMS[form]
    with transaction.atomic():
        ledger.append(
            events.ReceiptDownloaded(format=form, receipt=event.uuid),
            actor=Actor.subject(event.subject.ref),
            subject=event.subject.ref,
        )
    return _download(
        json.dumps(render_form(event), indent=1, ensure_ascii=False),
        content_type,
        f"receipt-{event.uuid}.{form}",
    )


@login_required
@require_safe
def proof(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Hand out the proof that the decision stands in the signed ledger (C2SP tlog-proof)."""
    event = _own_event(request, uuid)
    for entry in ledger_reading.entries_covering("consent_consentevent", event.pk):
        if found := ledger_reading.inclusion_proof(entry.id):
            return _download(found.text, "text/plain; charset=utf-8", f"{event.uuid}.tlog-proof")
    raise Http404("not signed yet")


@login_required
@require_safe
def certificate(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show a certificate about one's own data: counts and digests, no content."""
    found = get_object_or_404(certificates_of(subject_of(request)), uuid=uuid)
    return render(
        request,
        "you/certificate.html",
        {
            "crumbs": [crumb("data")],
            "certificate": found,
            "statement": json.dumps(found.statement, indent=1, ensure_ascii=False),
        },
    )


def scopes_in_words(event: ConsentEvent) -> list[dict[str, Any]]:
    """Return what a yes covers: per signal group the names of the apps."""
    if event.state != ConsentState.GIVEN:
        return []
    pairs = list(event.scopes.select_related("app"))
    found = []
    for group, signals in SIGNAL_GROUPS.items():
        apps = sorted({scope.app.name for scope in pairs if scope.signal in signals})
        if apps:
            named = sorted({scope.signal for scope in pairs if scope.signal in signals})
            found.append({"group": group.value, "apps": apps, "signals": named})
    return found


def _own_event(request: HttpRequest, uuid: UUID) -> ConsentEvent:
    subject: Subject = subject_of(request)
    return get_object_or_404(
        ConsentEvent.objects.select_related("purpose", "notice", "subject", "cohort_policy"),
        uuid=uuid,
        subject=subject,
    )


def _entry_words(entry: Any) -> str:
    if entry is None:
        return ""
    if entry.index is None:
        return _("%(entry)d, waiting for its signature") % {"entry": entry.id}
    return _("%(entry)d, place %(index)d in the tree") % {"entry": entry.id, "index": entry.index}


def _download(content: str, content_type: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
