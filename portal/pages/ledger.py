"""The ledger for the privacy team and auditors: search, one entry with its proof, the export.

Reading is itself an act: each view writes its entry before it shows anything. What is a person's
own is not told here (see `audit.others`); it is in the export, which only auditors take and which
names nobody.
"""

import base64
import io
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from audit import events, export, ledger, others, selectors, tree
from portal.models import Role
from portal.pages.crumbs import crumb
from portal.pages.dates import refuse_odd_days
from portal.pages.ledgerwords import ACTORS, NO_REFERENCE, Telling, actor_words
from portal.people import actor_of, for_area, roles_of

if TYPE_CHECKING:
    from uuid import UUID

    from audit.body import ActorKind

PAGE = 50
TYPES = sorted(
    ((code, kind.title) for code, kind in events.CATALOGUE.items() if code in others.TOLD),
    key=lambda choice: choice[1],
)


class FilterForm(forms.Form):
    """What to look for; all of it may be left out."""

    type = forms.ChoiceField(
        label=gettext_lazy("Event"),
        required=False,
        choices=[
            ("", gettext_lazy("all that is told")),
            (others.OWN, gettext_lazy("a person's own: number and proof only")),
            *TYPES,
        ],
    )
    actor = forms.ChoiceField(
        label=gettext_lazy("Who acted"),
        required=False,
        choices=[("", gettext_lazy("anyone")), *ACTORS.items()],
    )
    subject = forms.UUIDField(
        label=gettext_lazy("Reference of a person"),
        required=False,
        error_messages={"invalid": NO_REFERENCE},
    )
    since = forms.DateField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    until = forms.DateField(
        label=gettext_lazy("Until (included)"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse days of another age."""
        said: dict[str, Any] = super().clean() or {}
        refuse_odd_days(self, ("since", "until"))
        return said


@for_area("audit")
@require_http_methods(["GET", "HEAD", "POST"])
def entries(request: HttpRequest) -> HttpResponse:
    """Show the newest entries that match the filter.

    A search for one person's reference is posted, so that no reference stands in an address.
    """
    given = request.POST if request.method == "POST" else request.GET
    form = FilterForm(given or None)
    wanted = _wanted(form)
    before = given.get("before", "")
    rows: list[selectors.EntryRow] = []
    if not form.errors:  # whatever was meant, it was not everything
        last = int(before) if before.isdecimal() else None
        rows = others.search(**wanted, before=last, limit=PAGE)
        _say_viewed(request, "entries", len(rows), wanted)
    telling = Telling()
    return render(
        request,
        "audit/entries.html",
        {
            "filter_form": form,
            "columns": [
                {"label": _("Entry"), "num": True},
                {"label": _("Recorded")},
                {"label": _("What")},
                {"label": _("Who acted")},
                {"label": _("Details")},
            ],
            "rows": [_cells(row, telling) for row in rows],
            "pager": _pager(request, rows),
            # How much there is in all changes with every act: not beside the answer about one.
            "ledger": None if wanted.get("subject_ref") else _state(),
            "export_url": reverse("audit-export") if Role.AUDITOR in roles_of(request) else "",
        },
        status=200 if not form.errors else 422,
    )


@for_area("audit")
@require_safe
def entry(request: HttpRequest, number: int) -> HttpResponse:
    """Show one entry, opened as far as that is still possible, and its proof."""
    detail = others.entry_detail(number)
    if detail is None:
        raise Http404
    _say_viewed(request, "entry", 1, {"entry": number})
    told = _own(detail) if detail.row.type == others.OWN else _told(detail)
    return render(
        request,
        "audit/entry.html",
        {"entry": told, "proof": _proof(number), "crumbs": [crumb("ledger")]},
    )


def _told(detail: selectors.EntryDetail) -> dict[str, Any]:
    return {
        "number": detail.row.id,
        "event": detail.row.title,
        "text": {c: w for c, _t, w in events.glossary()}.get(detail.row.type, ""),
        "recorded_at": detail.row.recorded_at,
        "event_time": detail.row.event_time,
        "actor": actor_words(detail.row.actor_kind),
        "subject": str(detail.subject_ref) if detail.subject_ref else _("nobody"),
        "sealed": {"open": "readable", "erased": "erased"}.get(detail.opening, "closed"),
        "facts": Telling().facts({**detail.row.data, **detail.detail}),
        "covers": [{"table": table, "row": row} for table, row in detail.covers],
    }


def _own(detail: selectors.EntryDetail) -> dict[str, Any]:
    return {
        "number": detail.row.id,
        "event": detail.row.title,
        "text": _("What somebody decided themselves, or what followed from it."),
        "recorded_at": detail.row.recorded_at,
        "is_own": True,
    }


@for_area("audit")
@require_safe
def entry_proof(request: HttpRequest, number: int) -> HttpResponse:
    """Hand out the proof that an entry stands in the signed ledger (C2SP tlog-proof)."""
    proof = selectors.inclusion_proof(number)
    if proof is None:
        raise Http404
    _say_viewed(request, "proof", 1, {"entry": number})
    response = HttpResponse(proof.text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="entry-{number}.tlog-proof"'
    return response


@for_area("audit/export")
@require_http_methods(["GET", "HEAD", "POST"])
def export_ledger(request: HttpRequest) -> HttpResponse:
    """Explain the export, or hand it out together with the program that checks it."""
    page = {
        "crumbs": [crumb("ledger")],
        "ledger": _state(),
        "vkey": selectors.tree_state().vkey,
    }
    if request.method != "POST":
        return render(request, "audit/export.html", page)
    stream = io.BytesIO()
    try:
        made = export.write_bundle(stream)
    except export.NothingSignedError:
        return render(request, "audit/export.html", {**page, "nothing_signed": True}, status=409)
    with transaction.atomic():
        ledger.append(
            events.LedgerExported(size=made.size, digest=made.root.hex()), actor=actor_of(request)
        )
    response = HttpResponse(stream.getvalue(), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="sayso-ledger-{made.size}.zip"'
    return response


def _wanted(form: FilterForm) -> dict[str, Any]:
    if not form.is_bound or not form.is_valid():
        return {}
    said = form.cleaned_data
    until = said["until"]
    return {
        "type": said["type"] or None,
        "actor_kind": cast("ActorKind | None", said["actor"] or None),
        "subject_ref": cast("UUID | None", said["subject"]),
        "since": _start(said["since"]) if said["since"] else None,
        "until": _start(until) + timedelta(days=1) if until else None,
    }


def _start(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _say_viewed(request: HttpRequest, view: str, shown: int, wanted: dict[str, Any]) -> None:
    filters = tuple(f"{name}={value}" for name, value in wanted.items() if value is not None)
    with transaction.atomic():
        ledger.append(
            events.LedgerViewed(view=view, shown=shown, filters=filters or None),
            actor=actor_of(request),
            # Whom the search was about goes with that person, not with the month.
            subject=wanted.get("subject_ref"),
        )


def _cells(row: selectors.EntryRow, telling: Telling) -> list[dict[str, Any]]:
    return [
        {"text": f"{row.id}", "url": reverse("audit-entry", args=[row.id])},
        {"at": row.recorded_at},
        {"text": row.title},
        {"text": actor_words(row.actor_kind)},
        {"text": telling.line(row.data)},
    ]


def _pager(request: HttpRequest, rows: list[selectors.EntryRow]) -> dict[str, Any]:
    if request.method == "POST":
        return _posted_pager(request, rows)
    query = request.GET.copy()
    pager = {}
    if query.pop("before", None):
        pager["newest_url"] = f"?{query.urlencode()}"
    if len(rows) == PAGE:
        query["before"] = str(rows[-1].id)
        pager["older_url"] = f"?{query.urlencode()}"
    return pager


def _posted_pager(request: HttpRequest, rows: list[selectors.EntryRow]) -> dict[str, Any]:
    """The same search once more, posted: the person whom it is about stands in no address."""
    said = {name: request.POST.get(name, "") for name in FilterForm.base_fields}
    return {
        "post_url": reverse("audit-entries"),
        "said": {name: value for name, value in said.items() if value},
        "is_later": bool(request.POST.get("before")),
        "older": str(rows[-1].id) if len(rows) == PAGE else "",
    }


def _state() -> dict[str, Any]:
    state = selectors.tree_state()
    return {
        "entries": state.size + state.pending,
        "checkpoint_size": state.size,
        "checkpoint_at": state.signed_at,
        "pending": state.pending,
    }


def _proof(number: int) -> dict[str, Any] | None:
    proof = selectors.inclusion_proof(number)
    if proof is None:
        return None
    root = base64.b64decode(proof.checkpoint.splitlines()[2])
    return {
        "leaf_hash": proof.leaf.hex(),
        "index": proof.index,
        "size": proof.size,
        "root": root.hex(),
        "path": [value.hex() for value in proof.hashes],
        "checkpoint": proof.checkpoint,
        "bundle_url": reverse("audit-entry-proof", args=[number]),
        "verified": tree.verify_inclusion(proof.leaf, proof.index, proof.size, proof.hashes, root),
    }
