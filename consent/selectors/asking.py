"""Whom the portal leaves in peace: after a no it does not ask before the law's time is over."""

from datetime import date, datetime

from consent.models import Subject
from consent.policy.asking import quiet_until
from consent.policy.clocks import local_days
from consent.policy.types import ConsentState
from consent.rules import rulebook_of
from consent.selectors.choices import standing_consents
from consent.selectors.documents import current_cohort_policies, said_by
from consent.selectors.facts import cohort_of


def not_asked_before(subject: Subject, *, at: datetime) -> dict[str, date]:
    """Return purpose -> the first day on which the person may be asked again, after a no.

    A purpose that is not in it may be asked about: there was no no, or its time is over.
    """
    cohort = cohort_of(subject, at=at)
    policy = current_cohort_policies([cohort.pk]).get(cohort.pk) if cohort else None
    shared = said_by(policy)
    today = local_days(shared["jurisdictions"], at)[0]
    law = rulebook_of(shared.get("rulebook")).law(shared["jurisdictions"], today.day)
    found = {}
    for code, event in standing_consents(subject).items():
        day = quiet_until(ConsentState(event.state), today.latest(event.event_time), law.bounds)
        if day is not None and today.day < day:
            found[code] = day
    return found
