"""What agents handed in, what was let in and what was not; in groups, never about one person.

Who did not consent, paused or took a yes back must not show here: reasons that are somebody's own
choice are one, and how much of it was kept or erased since is left out.
"""

from typing import Final

from django.conf import settings
from django.db.models import Count, F, Func, QuerySet, Sum

from audit.reporting.data import Bar, Chart, Figure, Kind, Question, ReportData
from portal.reporting.common import READER, bars_in_words, groups_only, within
from portal.reporting.groups import Shown, Tally, shown, table_of
from retention.models import Admission, Batch
from retention.services.judgement import OWN_CHOICE, OWN_CHOICES

OUTCOMES: Final = {
    Admission.State.ADMITTED.value: "Let in",
    Admission.State.REFUSED.value: "Refused",
    Admission.State.QUARANTINED.value: "Set apart as an incident",
    Admission.State.AWAITING_BYTES.value: "Announced, not sent yet",
}
REASONS: Final = {
    OWN_CHOICE: "The person does not allow it (or no longer, or not at that time)",
    "app_not_allowed": "The app was not in the policy",
    "signal_not_allowed": "A signal was not in the policy",
    "visible_unknown": "It is not said which other windows could be seen",
    "visible_not_allowed": "Another window could be seen that may not be recorded",
    "outside_the_lease": "Recorded outside the time of the policy",
    "outside_every_lease": "Recorded outside every lease: an incident",
    "handed_in_before": "The same came in before",
    "policy_never_issued": "No such policy was issued to this agent",
    "agent_not_active": "The agent is not in good standing",
    "batch_too_large": "Larger than allowed",
    "captured_in_the_future": "Recorded in the future, by its own clock",
    "no_signals": "Names no signals",
}


def gather(question: Question) -> ReportData:
    """Return what was announced in the period and what became of it."""
    announced = within(
        Admission.objects.using(READER), "announced_at", question.period_from, question.until()
    )
    smallest = settings.SMALLEST_GROUP
    outcomes = shown(_outcomes(announced), smallest=smallest)
    # These tables add up to an outcome: where that is not shown alone, they would give it away.
    mixed = set(outcomes.together)
    admitted = {} if "admitted" in mixed else _admitted(announced)
    refused = {} if mixed & {"refused", "quarantined"} else _refused(announced)
    apps = shown(admitted, smallest=smallest)
    reasons = shown(refused, smallest=smallest)
    return ReportData(
        title=question.title,
        subtitle=question.period(),
        scope="Batches that agents announced in the period, and what became of them.",
        handling=groups_only("the privacy team, ML stewards, works councils and auditors"),
        organisation=settings.ORGANISATION,
        as_of=question.as_of,
        figures=_figures(outcomes, apps),
        charts=_chart(apps),
        tables=(
            table_of(
                "Batches, by outcome", ("Outcome",), outcomes, lambda state: (OUTCOMES[state],)
            ),
            table_of(
                "Batches let in, by purpose and app",
                ("Purpose", "App"),
                apps,
                lambda key: key,
                with_bytes=True,
            ),
            table_of(
                "Why batches were refused",
                ("Reason",),
                reasons,
                lambda code: (REASONS.get(code, code),),
                counted="Times named",
            ),
        ),
        notes=_notes(smallest),
    )


def _outcomes(announced: QuerySet[Admission]) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    rows = announced.values_list("state", "agent__subject_id").annotate(n=Count("batch")).order_by()
    for state, person, number in rows:
        found.setdefault(state, Tally()).add(person, number)
    return _in_order(found, OUTCOMES)


def _admitted(announced: QuerySet[Admission]) -> dict[tuple[str, str], Tally]:
    found: dict[tuple[str, str], Tally] = {}
    rows = (
        Batch.objects.using(READER)
        .filter(uuid__in=announced.values("batch"))
        .values_list("purpose__title", "app__name", "subject_id")
        .annotate(n=Count("uuid"), size=Sum("bytes"))
        .order_by("purpose__title", "app__name")
    )
    for purpose, app, person, number, size in rows:
        found.setdefault((purpose, app), Tally()).add(person, number, size)
    return found


def _refused(announced: QuerySet[Admission]) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    states = [Admission.State.REFUSED, Admission.State.QUARANTINED]
    rows = (
        announced.filter(state__in=states)
        .annotate(reason=Func(F("reasons"), function="unnest", set_returning=True))
        .values_list("reason", "agent__subject_id")
        .annotate(n=Count("batch"))
        .order_by()
    )
    for reason, person, number in rows:
        found.setdefault(_reason(reason), Tally()).add(person, number)
    return _in_order(found, REASONS)


def _reason(code: str) -> str:
    plain = code.partition(":")[0]
    return OWN_CHOICE if plain in OWN_CHOICES else plain


def _figures(outcomes: Shown[str], apps: Shown[tuple[str, str]]) -> tuple[Figure, ...]:
    alone = dict(outcomes.alone)
    return (
        Figure(label="Announced", value=outcomes.total.count if outcomes.total else None),
        *(
            Figure(label=OUTCOMES[state], value=alone[state].count if state in alone else None)
            for state in ("admitted", "refused")
        ),
        Figure(
            label="Data let in", value=apps.total.bytes if apps.total else None, kind=Kind.BYTES
        ),
    )


def _chart(apps: Shown[tuple[str, str]]) -> tuple[Chart, ...]:
    bars = tuple(Bar(label=f"{app}, {purpose}", value=t.count) for (purpose, app), t in apps.alone)
    alt = bars_in_words("batches let in, by app and purpose", bars)
    return (Chart(title="Batches let in, by app and purpose", alt=alt, bars=bars),) if bars else ()


def _notes(smallest: int) -> tuple[str, ...]:
    return (
        (
            f"A line stands for at least {smallest} people. What comes from fewer is put together "
            "with others until it does, so that it cannot be worked out from the total."
        ),
        (
            "A refused batch may name several reasons. Reasons that are a person's own choice are "
            "one line: who said no, paused or took a yes back looks the same."
        ),
        "How much was erased since is not part of this report; see the report on deletions.",
    )


def _in_order(found: dict[str, Tally], words: dict[str, str]) -> dict[str, Tally]:
    known = [code for code in words if code in found]
    return {code: found[code] for code in [*known, *sorted(set(found) - set(words))]}
