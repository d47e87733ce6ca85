"""What is held of a person, what is being deleted, and the certificates of what is gone."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Max, Min, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from consent.models import Purpose, Subject
from portal.pages.noticetext import purpose_name
from portal.people import subject_of
from retention.models import Batch, Certificate, DeletionCase, Hold

LONG = 50


@login_required
@require_safe
def data(request: HttpRequest) -> HttpResponse:
    """What is held, what is being deleted, and the proof of what is gone."""
    subject = subject_of(request)
    return render(
        request,
        "you/data.html",
        {
            "held": {**held_of(subject), "groups": _held_groups(subject)},
            "deletions": [_deletion(case) for case in _cases(subject)[:LONG]],
            "certificates": [_certificate(c) for c in certificates_of(subject)[:LONG]],
        },
    )


def held_of(subject: Subject) -> dict[str, Any]:
    """Return how much is kept of this person, since when and until when."""
    kept = Batch.objects.filter(subject=subject, state=Batch.State.KEPT)
    totals = kept.aggregate(
        batches=Count("uuid"),
        size=Sum("bytes"),
        oldest=Min("captured_from"),
        next_due=Min("due_at"),
    )
    on_hold = Hold.objects.filter(subject=subject, lifted_at__isnull=True).exists()
    return {**totals, "size": totals["size"] or 0, "on_hold": totals["batches"] if on_hold else 0}


def certificates_of(subject: Subject) -> Any:
    """Return the certificates about this person's data, newest first."""
    own = Batch.objects.filter(subject=subject).values("uuid")
    return (
        Certificate.objects.filter(
            Q(job__case__subject=subject) | Q(job__case__subject=None, job__batches__overlap=own)
        )
        .select_related("job__case__purpose")
        .order_by("-pk")
    )


def _cases(subject: Subject) -> Any:
    return DeletionCase.objects.filter(subject=subject).prefetch_related("jobs").order_by("-pk")


def _held_groups(subject: Subject) -> list[dict[str, Any]]:
    rows = (
        Batch.objects.filter(subject=subject, state=Batch.State.KEPT)
        .values("app__name", "purpose")
        .annotate(
            n=Count("uuid"), size=Sum("bytes"), oldest=Min("captured_from"), due=Max("due_at")
        )
        .order_by("app__name")
    )
    names = {purpose.pk: purpose_name(purpose) for purpose in Purpose.objects.all()}
    return [
        {
            "app": row["app__name"],
            "purpose": names[row["purpose"]],
            "batches": row["n"],
            "size": row["size"],
            "oldest": row["oldest"],
            "due": row["due"],
        }
        for row in rows
    ]


CAUSES = {
    "withdrawal": gettext_lazy("You took your yes back"),
    "narrowing": gettext_lazy("You chose less than before"),
    "strike": gettext_lazy("You had the last minutes forgotten"),
    "revocation": gettext_lazy("The organisation ended your yes"),
    "protected": gettext_lazy("It was of an app that is never recorded"),
    "expiry": gettext_lazy("Its time was up"),
}


def _deletion(case: DeletionCase) -> dict[str, Any]:
    jobs = list(case.jobs.all())
    certified = [job for job in jobs if job.state == "certified"]
    failed = [job for job in jobs if job.failure]
    done = case.state == DeletionCase.State.DONE
    state = "verified" if done else ("failed" if failed else "running" if jobs else "owed")
    return {
        "cause": CAUSES[case.cause],
        "since": case.opened_at,
        "state": state,
        "done": len(certified),
        "total": len(jobs),
        "failed": _("The last attempt failed; it is tried again by itself.") if failed else "",
    }


LEVELS = {
    "E1": gettext_lazy("the store confirmed it"),
    "E2": gettext_lazy("it cannot be read any more"),
    "E3": gettext_lazy("no byte of it was found in the store"),
    "E4": gettext_lazy("keys and backups are gone too"),
}


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "id": certificate.uuid,
        "at": certificate.recorded_at,
        "what": CAUSES[certificate.job.case.cause],
        "level": certificate.evidence_level,
        "level_text": LEVELS[certificate.evidence_level],
        "nothing_after": certificate.nothing_remains_after,
        "url": reverse("you-certificate", args=[certificate.uuid]),
    }
