"""What must come first: the gates of each place and purpose, with the evidence that closed them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from consent import selectors
from consent.models import Agreement, Cohort, GateEvidence, Purpose
from consent.policy.rulebook import Rulebook
from consent.rules import rulebook
from consent.selectors.agreements import Agreements
from consent.selectors.hands import Hand, hands_of
from consent.selectors.impact import people_at
from consent.selectors.places import with_those_above
from consent.selectors.steps import Step, step_at
from portal.models import Role
from portal.pages.changes.values import place_name
from portal.pages.crumbs import crumb
from portal.pages.groundwords import hands_in_words
from portal.pages.rulewords import gate_title
from portal.people import for_area, roles_of

COUNSEL: Final = "counsel_signoff"
NAMED_ALL: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})
"""Who is told of every place: they record where people are, or look up anybody's decision."""


@for_area("registry")
@require_safe
def gates(request: HttpRequest) -> HttpResponse:
    """Show every gate asked for where our people are, or those whom they see; open ones first.

    To who only speaks for a council, no place of too few people is named.
    """
    now, roles = timezone.now(), roles_of(request)
    officer = Role.PRIVACY_OFFICER in roles
    places = _places()
    few = set() if roles & NAMED_ALL else _of_few(places)
    return render(
        request,
        "privacy/gates.html",
        {
            "purposes": [
                {
                    "name": purpose.title,
                    "places": _by_place(
                        row
                        for row in _rows(purpose, places, now, officer=officer)
                        if row["place"] not in few
                    ),
                }
                for purpose in Purpose.objects.filter(published_at__isnull=False)
            ],
            "few": bool(few),
            "smallest_group": settings.SMALLEST_GROUP,
            "crumbs": [crumb("privacy")] if officer else [],
        },
    )


def _places() -> list[str]:
    """Return where our people are, and where those are whose words they see."""
    known = (facts["jurisdictions"] for facts in Cohort.objects.values_list("facts", flat=True))
    return sorted({code for codes in known for code in codes} | selectors.places_of_others())


def _of_few(places: list[str]) -> set[str]:
    """Return those of the places, and above them, where too few of our people are to be named.

    Where other people are, the registry of apps names the place itself.
    """
    rules = rulebook()
    here, others = people_at(rules), with_those_above(selectors.places_of_others(), rules)
    return {
        place
        for place in with_those_above(places, rules) - others
        if here[place] < settings.SMALLEST_GROUP
    }


def _rows(
    purpose: Purpose, places: list[str], now: datetime, *, officer: bool
) -> list[dict[str, Any]]:
    law = rulebook()
    standing = GateEvidence.objects.filter(purpose=purpose, reopening__isnull=True)
    evidence = list(standing.select_related("purpose").order_by("-pk"))
    hands = hands_of(evidence)
    known = Agreements(Agreement.objects.order_by("pk"), law)
    rows = []
    for place, gate in _asked(law, places):
        step = step_at(evidence, place, gate, people_in=places, known=known, rules=law, at=now)
        rows.append(_row(purpose, place, gate, step, hands, law, officer=officer))
    return sorted(rows, key=lambda row: (row["closed"], row["place"], row["name"]))


def _by_place(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of each place under its name, those with an open step first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["place"], []).append(row)
    return [
        {
            "name": place_name(place),
            "rows": steps,
            "open": sum(not step["closed"] for step in steps),
        }
        for place, steps in found.items()
    ]


def _asked(law: Rulebook, places: list[str]) -> list[tuple[str, str]]:
    """Return (jurisdiction, gate) for the places and all above them, each once."""
    found: dict[tuple[str, str], None] = {}
    for place in places:
        for row in law.lineage(place):
            found |= dict.fromkeys((row.code, gate) for gate in sorted(row.own.gates))
        bounds = law.law([place], timezone.now().date()).bounds
        if bounds and place in bounds.needs_counsel:
            found[place, COUNSEL] = None
    return list(found)


def _row(
    purpose: Purpose,
    place: str,
    gate: str,
    step: Step,
    hands: Mapping[int, tuple[Hand, ...]],
    law: Rulebook,
    *,
    officer: bool,
) -> dict[str, Any]:
    closing, text = step.closing, law.gates.get(gate)
    query = {"purpose": purpose.code, "jurisdiction": place, "gate": gate}
    kind = "gate.close"
    if closing:
        kind, query = "gate.reopen", {"evidence": str(closing.pk)}
    return {
        "place": place,
        "name": gate_title(gate, law),
        "wants": text.evidence if text else "",
        "closed": step.done,
        "waits_until": step.opens if closing and not step.done else None,
        "agreements": ", ".join(step.agreements),
        "document": closing.document_title if closing else "",
        "reason": closing.not_applicable_reason if closing else "",
        "digest": closing.document_sha256[:16] if closing else "",
        "since": closing.valid_from if closing else None,
        "until": closing.valid_until if closing else None,
        "who": hands_in_words(hands[closing.pk]) if closing else "",
        "url": f"{reverse('change-new', args=[kind])}?{urlencode(query)}" if officer else "",
    }
