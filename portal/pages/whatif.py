"""What if: the privacy team and councils ask the rule pack about people who do not exist.

The answers come from the functions behind `manage.py decide`, `bounds` and `due`, over the shipped
rule pack, so that page and command cannot differ. Where the rules in force are stricter, the page
says so. Nothing is stored and nobody is looked up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from consent.policy.answers import (
    NoAnswerError,
    bounds_answer,
    decide_answer,
    due_answer,
    read_facts,
)
from consent.policy.deadlines import EXTENDABLE, UnknownJurisdictionError
from consent.policy.factsfile import FactsError, facts_from
from consent.policy.provenance import LISTS, entries_set_by, set_by
from consent.policy.rulebook import Rulebook
from consent.policy.types import Right
from consent.rules import rulebook, shipped
from portal.models import Role
from portal.pages.crumbs import crumb
from portal.pages.dates import day_in_words
from portal.pages.reasonwords import reasons_in_words
from portal.pages.rulewords import SetBy, sections, sources
from portal.pages.whatif_form import FactsFileForm, WhatIfForm, as_file, facts_of
from portal.people import for_area, roles_of
from portal.templatetags.words import plain

FILE: Final = "file"

TAKEN: Final[Mapping[str, str | Promise]] = {
    "app_allowed": gettext_lazy("The app is on the list."),
    "in_hours": gettext_lazy("It is within working hours."),
    "notice_version_ok": gettext_lazy("The person answered the newest notice."),
    "consent_given_on": gettext_lazy("The yes was given on the day asked about."),
    "counterparties": gettext_lazy("The app shows nobody else's words."),
    "app_category": gettext_lazy("The app is an ordinary office app."),
    "paused": gettext_lazy("The person has not paused."),
    "killed": gettext_lazy("No kill switch is pulled."),
    "agent_standing": gettext_lazy("The capture agent is in good standing."),
    "counsel_signed_off": gettext_lazy("Counsel has signed off every place that needs it."),
}
"""What the answer took for granted, by the name of the fact."""

RIGHTS: Final[Mapping[Right, str | Promise]] = {
    Right.ACCESS: gettext_lazy("Access"),
    Right.RECTIFICATION: gettext_lazy("Rectification"),
    Right.ERASURE: gettext_lazy("Erasure"),
    Right.RESTRICTION: gettext_lazy("Restriction"),
    Right.PORTABILITY: gettext_lazy("Portability"),
    Right.OBJECTION: gettext_lazy("Objection"),
    Right.LIMIT_SENSITIVE: gettext_lazy("Limiting the use of sensitive data"),
    Right.COMPLAINT: gettext_lazy("Complaint"),
    Right.POLICY_COPY: gettext_lazy("Copy of the policy"),
    Right.WITHDRAWAL: gettext_lazy("Withdrawal takes effect"),
    Right.ACKNOWLEDGEMENT: gettext_lazy("Confirming receipt of a request"),
}


@dataclass(frozen=True)
class Asked:
    """What the page was asked: facts that can be read, and perhaps a request."""

    facts: Mapping[str, Any]
    received: date | None = None
    extended: bool = False


@for_area("privacy/what-if")
@require_http_methods(["GET", "HEAD", "POST"])
def whatif(request: HttpRequest) -> HttpResponse:
    """Ask, or show the answer above what was asked; a fault keeps all that was typed."""
    pack = shipped()
    if pack.problems:
        problem = str(pack.problems[0])
        return render(request, "privacy/whatif.html", {"problem": problem}, status=503)
    form, file_form, asked = _read(request, pack)
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    context: dict[str, Any] = {
        "form": form,
        "parts": list(form.parts()),
        "file_form": file_form,
        "file_open": file_form.is_bound,
        "crumbs": [crumb("privacy" if officer else "council")],
        "pack": pack,
        "in_force_differs": rulebook().digest != pack.digest,
    }
    if asked:
        context |= _answers(asked, pack)
    refused = request.method == "POST" and asked is None
    return render(request, "privacy/whatif.html", context, status=422 if refused else 200)


def _read(request: HttpRequest, pack: Rulebook) -> tuple[WhatIfForm, FactsFileForm, Asked | None]:
    """Return both forms as they are to be shown, and what was asked where it can be read."""
    first = {"at": timezone.now().date()}
    if request.method != "POST":
        return WhatIfForm(rulebook=pack, initial=first), FactsFileForm(), None
    if request.POST.get("mode") == FILE:
        empty = WhatIfForm(rulebook=pack, initial=first)
        file_form = FactsFileForm(request.POST)
        return empty, file_form, _from_file(file_form)
    form = WhatIfForm(request.POST, rulebook=pack)
    if not form.is_valid():
        return form, FactsFileForm(), None
    said = form.cleaned_data
    facts = facts_of(said)
    asked = Asked(facts, said["received"], said["extended"])
    return form, FactsFileForm(initial={"facts": as_file(facts)}), asked


def _from_file(form: FactsFileForm) -> Asked | None:
    if not form.is_valid():
        return None
    try:
        facts = read_facts(form.cleaned_data["facts"])
        facts_from(facts)
    except FactsError as problem:
        form.add_error("facts", str(problem))
        return None
    return Asked(facts)


def _answers(asked: Asked, pack: Rulebook) -> dict[str, Any]:
    facts = facts_from(asked.facts)
    answer = decide_answer(asked.facts, pack)
    change = answer["next_change"]
    return {
        "answer": answer,
        "reasons": reasons_in_words(answer["explanations"], pack),
        "taken": [str(TAKEN.get(name, plain(name))) for name in answer["assumed"]],
        "beyond": [str(TAKEN.get(name, plain(name))) for name in answer["not_asked"]],
        "next_change": day_in_words(change) if change else "",
        **_bounds(facts.jurisdictions, facts.today, pack),
        **(_dues(facts.jurisdictions, asked.received, pack, asked) if asked.received else {}),
    }


def _bounds(codes: Iterable[str], on: date, pack: Rulebook) -> dict[str, Any]:
    """Return the combined values with the places behind each, and those places' sources."""
    try:
        answer = bounds_answer(codes, on, pack)
    except NoAnswerError as problem:
        return {"bounds_problem": str(problem)}
    law = answer.law
    entries = {key: entries_set_by(law, pack, key, on) for key in LISTS}
    behind = [pack.rows[code] for code in answer.table["code"]]
    return {
        "bounds": answer.table,
        "sections": sections(answer.table, pack, SetBy(set_by(law, pack, on), entries)),
        "overdue": [f"{gap.code}: {gap.since}" for gap in answer.overdue],
        "sources": [
            {"code": row.code, "name": row.name, "sources": sources(row.citations)}
            for row in behind
        ],
    }


def _dues(codes: Iterable[str], received: date, pack: Rulebook, asked: Asked) -> dict[str, Any]:
    """Return by when each right must be answered; a dash where no law read here gives it."""
    rows = []
    try:
        for right, label in RIGHTS.items():
            extended = asked.extended and right in EXTENDABLE
            end = due_answer(right.value, codes, received, pack, extended=extended)["due"]
            rows.append([{"text": str(label)}, {"text": day_in_words(end) if end else ""}])
    except UnknownJurisdictionError as problem:
        return {"due_problem": str(problem)}
    return {
        "due_columns": [{"label": _("Right")}, {"label": _("Due")}],
        "due_rows": rows,
        "received": received,
    }
