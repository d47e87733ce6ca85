"""The rule pack to read: what each jurisdiction's file says, its sources, and when it is reviewed.

Open to the privacy team, the works council and auditors. Nothing here is about a person.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from consent.policy.describe import describe_bounds
from consent.policy.rows import ALWAYS, NEVER, Row
from consent.policy.rulebook import Law, Rulebook
from consent.rules import rulebook
from portal.pages.rulewords import EVIDENCE, WORDS, SetBy, sections, sources
from portal.people import for_area

SOON: Final = timedelta(days=60)


@for_area("privacy/rules")
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """Every jurisdiction of the pack, with what it allows and by when it must be reviewed."""
    pack, today = rulebook(), timezone.now().date()
    context = {
        "columns": [
            {"label": _("Place")},
            {"label": _("Recording")},
            {"label": _("How sure")},
            {"label": _("Sources")},
            {"label": _("Review by")},
            {"label": _("Status")},
        ],
        "groups": list(_groups(pack, today)),
        "pack": pack,
        "problems": [str(problem) for problem in pack.problems],
    }
    return render(request, "privacy/rules.html", context)


@for_area("privacy/rules")
@require_safe
def place(request: HttpRequest, code: str) -> HttpResponse:
    """One jurisdiction: each value in words, the gates with their evidence, and the sources."""
    pack, today = rulebook(), timezone.now().date()
    row = pack.rows.get(code)
    if row is None:
        raise Http404
    table = describe_bounds(Law(row.own, (), prohibited=False), row.own, pack)
    context = {
        "place": row,
        "pack": pack,
        "status": standing(row, pack, today),
        "confidence": WORDS.get(row.confidence, row.confidence),
        "above": [_link(above) for above in pack.lineage(code)[1:]],
        "below": [_link(below) for below in pack.rows.values() if below.parent == code],
        "sections": sections(table, pack, SetBy(), _ahead(row, today)),
        "not_yet": row.effective_from if row.in_statute and today < row.effective_from else None,
        "others_count": any(above.in_force(today) for above in pack.lineage(code)[1:]),
        "gates": [pack.gates[gate] for gate in sorted(row.own.gates)],
        "sources": sources(row.citations),
        "effective_from": None if row.effective_from == ALWAYS else row.effective_from,
        "effective_until": None if row.effective_until == NEVER else row.effective_until,
        "crumbs": [{"label": _("Rules"), "url": reverse("rules-list")}],
    }
    return render(request, "privacy/rules_place.html", context)


def _ahead(row: Row, today: date) -> dict[str, date]:
    """Return the keys whose values do not count yet on a day -> from when on they do."""
    days = {"complaint_ack_days": row.complaint_ack_from}
    for floor in row.own.retention_floors:
        days["retention_floor_days"] = floor.since
    return {key: day for key, day in days.items() if today < day}


def standing(row: Row, pack: Rulebook, today: date) -> dict[str, str]:
    """Return whether a row counts on a day, as a tag: label and tone."""
    grace_ends = row.review_by + timedelta(days=pack.meta.review_grace_days)
    if not row.in_statute:
        return {"label": _("Pending, no effect"), "tone": "off"}
    if today < row.effective_from:
        return {"label": _("Not yet in force"), "tone": "wait"}
    if today >= row.effective_until:
        return {"label": _("Ended"), "tone": "off"}
    if today > grace_ends:
        return {"label": _("Review overdue: denies"), "tone": "bad"}
    if today > row.review_by:
        return {"label": _("Review overdue"), "tone": "bad"}
    if today + SOON >= row.review_by:
        return {"label": _("Review due"), "tone": "warn"}
    return {"label": _("In force"), "tone": "good"}


def _groups(pack: Rulebook, today: date) -> Iterator[dict[str, Any]]:
    """Yield the places under the one above them all; those without any above or below come last."""
    below: dict[str, list[Row]] = {}
    for code in sorted(pack.rows):
        below.setdefault(pack.lineage(code)[-1].code, []).append(pack.rows[code])
    alone = [rows[0] for rows in below.values() if len(rows) == 1]
    for top, rows in below.items():
        if len(rows) > 1:
            words = {"place": pack.rows[top].name, "code": top, "count": len(rows) - 1}
            yield _group(_("%(place)s (%(code)s) and %(count)d below") % words, rows, pack, today)
    if alone:
        yield _group(_("%(count)d other places") % {"count": len(alone)}, alone, pack, today)


def _group(title: str, rows: list[Row], pack: Rulebook, today: date) -> dict[str, Any]:
    stands = Counter(tuple(standing(row, pack, today).values()) for row in rows)
    return {
        "title": title,
        "rows": [_cells(row, pack, today) for row in rows],
        # A fold hides nothing that somebody must see to.
        "tags": [
            {"label": f"{label}: {count}", "tone": tone}
            for (label, tone), count in stands.items()
            if tone != "good"
        ],
    }


def _cells(row: Row, pack: Rulebook, today: date) -> list[dict[str, Any]]:
    status = standing(row, pack, today)
    allows = row.own.default.word
    return [
        {"text": f"{row.name} ({row.code})", "url": reverse("rules-place", args=[row.code])},
        {"text": str(WORDS.get(allows, allows))},
        {"text": str(WORDS.get(row.confidence, row.confidence))},
        {"text": _graded(row)},
        {"day": row.review_by},
        {"text": status["label"], "tone": status["tone"], "state": "in_force"},
    ]


def _graded(row: Row) -> str:
    """Return how much of the sources was read, most read first."""
    counts = Counter(citation.evidence for citation in row.citations)
    return ", ".join(f"{counts[grade]} {EVIDENCE[grade]}" for grade in EVIDENCE if counts[grade])


def _link(row: Row) -> dict[str, str]:
    return {"label": f"{row.name} ({row.code})", "url": reverse("rules-place", args=[row.code])}
