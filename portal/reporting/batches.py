"""What agents handed in, what was let in and what was not; in groups, never about one person.

Who did not consent, paused or took a yes back must not show here: reasons that are somebody's own
choice are one, and how much of it was kept or erased since is left out.
"""

from typing import Final

from django.conf import settings
from django.db.models import Count, F, Func, QuerySet, Sum

from audit.reporting.data import Bar, Chart, Figure, Kind, Question, ReportData
from consent.models import AllowlistEntry
from portal.reporting.common import READER, bars_in_words, groups_only, within
from portal.reporting.groups import Shown, Tally, shown, table_of
from retention.models import Admission, Batch
from retention.services.judgement import OWN_CHOICE, OWN_CHOICES

LET_IN: Final = "let_in"
NOT_LET_IN: Final = "not_let_in"
OUTCOMES: Final = {
    LET_IN: "Let in",
    NOT_LET_IN: "Refused, set apart as an incident, or not sent yet",
}
"""Two, so that both are of enough people as a rule: told apart, the rare ones would be of few."""
REASONS: Final = {
    OWN_CHOICE: "The person does not allow it (or no longer, or not at that time)",
    "policy_superseded": "A newer policy allowed less",
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
    "batch_too_long": "Longer than allowed",
    "more_events_than_bytes": "More events counted than its bytes can hold",
    "more_events_than_time": "More events counted than happen in that time",
    "redactor_unknown": "Masked by a program that is not known to do it",
    "captured_in_the_future": "Recorded in the future, by its own clock",
    "no_signals": "Names no signals",
    "never_category": "An app that is never captured",
    "kill_switch": "A kill switch was pulled",
    "outside_work_hours": "Recorded outside working hours",
    "person_departed": "The person has left",
}
NAMES: Final = ("purpose__title", "app__name")


def gather(question: Question) -> ReportData:
    """Return what was announced in the period and what became of it."""
    announced = within(
        Admission.objects.using(READER), "announced_at", question.period_from, question.until()
    )
    smallest = settings.SMALLEST_GROUP
    outcomes = shown(_outcomes(announced), smallest=smallest)
    # These tables add up to an outcome: where that is not shown alone, they would give it away.
    mixed = set(outcomes.together)
    admitted = {} if LET_IN in mixed else _admitted(announced)
    refused = {} if NOT_LET_IN in mixed else _refused(announced)
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
    """Return both outcomes, also the one that nothing came to: none must not be told from few."""
    found = {outcome: Tally() for outcome in OUTCOMES}
    rows = announced.values_list("state", "agent__subject_id").annotate(n=Count("batch")).order_by()
    for state, person, number in rows:
        found[LET_IN if state == Admission.State.ADMITTED else NOT_LET_IN].add(person, number)
    return found


def _admitted(announced: QuerySet[Admission]) -> dict[tuple[str, str], Tally]:
    """Return every purpose with every app it asks for, also where nothing came in."""
    listed = AllowlistEntry.objects.using(READER).filter(purpose__published_at__isnull=False)
    names = listed.values_list("purpose__title", "app__name").distinct().order_by(*NAMES)
    found = {(purpose, app): Tally() for purpose, app in names}
    rows = (
        Batch.objects.using(READER)
        .filter(uuid__in=announced.values("batch"))
        .values_list("purpose__title", "app__name", "subject_id")
        .annotate(n=Count("uuid"), size=Sum("bytes"))
        .order_by(*NAMES)
    )
    for purpose, app, person, number, size in rows:
        found.setdefault((purpose, app), Tally()).add(person, number, size)
    return found


def _refused(announced: QuerySet[Admission]) -> dict[str, Tally]:
    """Return every reason there is, also those that nothing was refused for."""
    found = {reason: Tally() for reason in REASONS}
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
    return found


def _reason(code: str) -> str:
    plain = code.partition(":")[0]
    return OWN_CHOICE if plain in OWN_CHOICES else plain


def _figures(outcomes: Shown[str], apps: Shown[tuple[str, str]]) -> tuple[Figure, ...]:
    alone = dict(outcomes.alone)
    return (
        Figure(label="Announced", value=outcomes.total.count if outcomes.total else None),
        *(
            Figure(label=label, value=alone[outcome].count if outcome in alone else None)
            for outcome, label in ((LET_IN, "Let in"), (NOT_LET_IN, "Not let in"))
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
            "with others until it does, so that it cannot be worked out from the total; so is what "
            "comes from nobody, which must not be told from few."
        ),
        (
            "A refused batch may name several reasons. Reasons that are a person's own choice are "
            "one line: who said no, paused or took a yes back looks the same."
        ),
        "How much was erased since is not part of this report; see the report on deletions.",
    )
