"""The cohorts that a ticket may be bound to, in words."""

from django.conf import settings
from django.db.models import Count
from django.utils.translation import gettext as _

from consent.models import Cohort
from consent.selectors.facts import still_here
from portal.pages.changes.values import place_name


def offered() -> list[Cohort]:
    """Return the cohorts of enough people that naming one names nobody, in the order of words."""
    of_enough = (
        still_here()
        .filter(cohort__isnull=False)
        .values("cohort")
        .annotate(people=Count("pk"))
        .filter(people__gte=settings.SMALLEST_GROUP)
        .values("cohort")
    )
    return sorted(Cohort.objects.filter(pk__in=of_enough), key=words)


def words(cohort: Cohort) -> str:
    """Return whom a cohort is: the places whose rules hold, where they work, and their sites."""
    places, sites = cohort.facts["jurisdictions"], cohort.facts["sites"]
    said = ", ".join(map(place_name, places)) or _("no place of work")
    if works_in := cohort.facts.get("works_in"):
        said = _("%(places)s, working in %(works_in)s") % {
            "places": said,
            "works_in": ", ".join(map(place_name, works_in)),
        }
    return f"{said} · {', '.join(sites)}" if sites else said
