"""The shared half of every policy, computed from what is published, agreed and evidenced."""

import hashlib
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from consent.catalogue import catalogue_digest
from consent.digests import plain
from consent.models import (
    Agreement,
    AllowlistEntry,
    App,
    AppMatcher,
    Cohort,
    CohortPolicy,
    GateEvidence,
    Purpose,
    SignalOverride,
)
from consent.policy.clocks import days_at, midnights
from consent.policy.hours import WorkingHours
from consent.policy.rulebook import Rulebook
from consent.policy.types import DataOf
from consent.rules import rulebook
from consent.selectors.agreements import Agreements, People, by_speaking, is_about, site_key
from consent.selectors.choices import current_notice
from consent.selectors.documents import FORM, current_cohort_policies
from consent.selectors.places import with_those_above
from consent.selectors.settings import EVERYBODY, KNOBS, SITE, setting, working_hours
from consent.selectors.shared import ends_of, kept_days, schedule_entry, turning_days


@dataclass(frozen=True)
class Published:
    """All that cohorts share, read once for any number of them."""

    rules: Rulebook
    apps: Mapping[str, Any]
    registry: str
    """The digest of what is said of the apps."""
    purposes: tuple["PurposeInputs", ...]
    retired: Mapping[str, datetime]
    """Purposes that ask nobody any more, and since when."""
    agreements: Agreements
    elsewhere: frozenset[str]
    """The places of other people whose words some app shows, and the places above those."""
    leases: Mapping[str, int]
    """How long a policy lives, and how often agents ask: where that changes, all get a new one."""
    hours: Mapping[str, WorkingHours]
    """The organisation's own working hours, by whom they are for."""


@dataclass(frozen=True)
class PurposeInputs:
    """One purpose and what is recorded about it, whomever it may be about."""

    purpose: Purpose
    terms: Mapping[str, Any]
    """What holds for everybody alike."""
    evidence: tuple[GateEvidence, ...]
    overrides: tuple[SignalOverride, ...]


def current_cohort_policy(cohort: Cohort) -> CohortPolicy | None:
    """Return the newest revision; None, which denies everything, when there is none."""
    return current_cohort_policies([cohort.pk]).get(cohort.pk)


def published() -> Published:
    """Return what is published, agreed and evidenced as it stands now."""
    purposes = Purpose.objects.filter(published_at__isnull=False).order_by("pk")
    retired = Purpose.objects.filter(retired_at__isnull=False).order_by("pk")
    rules = rulebook()
    agreements = Agreements(Agreement.objects.order_by("pk"), rules)
    apps = _apps(agreements.rows, rules)
    return Published(
        rules=rules,
        apps=apps,
        registry=hashlib.sha256(plain(apps).text.encode()).hexdigest(),
        elsewhere=frozenset(with_those_above(places_of_others(), rules)),
        purposes=tuple(_inputs(purpose) for purpose in purposes),
        retired={one.code: one.retired_at for one in retired if one.retired_at},
        agreements=agreements,
        leases={key: setting(key) for key in KNOBS},
        hours=working_hours(),
    )


def cohort_document(
    cohort: Cohort, *, at: datetime, shared: Published | None = None
) -> dict[str, Any]:
    """Return what is decided for everyone in the cohort alike, as a JSON document.

    Evidence, agreements and exceptions stand in it with their days; whoever reads it looks at the
    day. Only `kept`, how long what is recorded may be kept, and `ended`, by when what is held for
    a retired purpose must be gone, are worked out for `at`: the shortest of each day that it then
    is in the places.
    """
    shared = shared or published()
    about = _about(cohort, shared)
    days = days_at(about.jurisdictions, at)
    document: dict[str, Any] = {
        "form": FORM,
        "jurisdictions": about.jurisdictions,
        "rulebook": shared.rules.digest,
        "leases": dict(shared.leases),
        "catalogue": catalogue_digest(),
        "registry": shared.registry,
        "apps": shared.apps,
        "purposes": {
            inputs.purpose.code: _purpose(inputs, about, shared) for inputs in shared.purposes
        },
        "ended": _least(
            ends_of(about.jurisdictions, shared.retired, shared.rules, day) for day in days
        ),
    }
    reached = {EVERYBODY, *about.people.places, *(SITE + site for site in about.anywhere.sites)}
    own = [
        entry
        for whom, hours in shared.hours.items()
        if _whom(whom) in reached
        for entry in _hours(hours, about.works_in)
    ]
    for purpose in document["purposes"].values():
        if own:
            purpose["hours"] = own
        purpose["kept"] = _least(
            kept_days(about.jurisdictions, purpose, shared.rules, day) for day in days
        )
    return document


def _least(found: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return of each thing the least that any table says of it."""
    least: dict[str, int] = {}
    for table in found:
        for key, value in table.items():
            least[key] = min(value, least.get(key, value))
    return least


def stored(document: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return a document as it is kept, and its digest: the apps by the registry's digest only."""
    kept = {name: part for name, part in document.items() if name != "apps"}
    return kept, hashlib.sha256(plain(kept).text.encode()).hexdigest()


@dataclass(frozen=True)
class _About:
    """Whom a cohort's document is about."""

    jurisdictions: list[str]
    works_in: list[str]
    people: People
    anywhere: People
    """The same with sites where they are on one of two days that it is now: agreements there bind
    them, and speak for nobody."""
    bound: list[Agreement]
    """The agreements about these people, whatever their purposes and days."""
    at_other_sites: list[Agreement]
    """Those about their places, but about sites where they are not."""
    others: list[Agreement]
    """Those about colleagues whose words some app shows."""


def _about(cohort: Cohort, shared: Published) -> _About:
    jurisdictions = cohort.facts["jurisdictions"]
    sites = cohort.facts["sites"]
    people = People.of(jurisdictions, sites, shared.rules)
    passing = cohort.facts.get("sites_of_one_day", ())
    anywhere = People.of(jurisdictions, (*sites, *passing), shared.rules) if passing else people
    named = {code for app in shared.apps.values() for code in app["agreements_of_others"]}
    return _About(
        jurisdictions=jurisdictions,
        works_in=cohort.facts.get("works_in", jurisdictions),
        people=people,
        anywhere=anywhere,
        bound=shared.agreements.about(anywhere),
        at_other_sites=shared.agreements.at_other_sites(people),
        others=[row for row in shared.agreements.rows if row.code in named],
    )


def made_with(rules: Rulebook) -> str:
    """Return what stands with a cohort for the rules and the form its document was made with."""
    return hashlib.sha256(f"{FORM} {rules.digest}".encode()).hexdigest()


def next_shared_turn(
    document: Mapping[str, Any], rules: Rulebook, *, at: datetime
) -> datetime | None:
    """Return when something shared changes next by itself; None when nothing does."""
    places, days = document["jurisdictions"], set(turning_days(document, rules))
    turns = (turn for day in days for turn in midnights(places, day))
    return min((turn for turn in turns if turn > at), default=None)


def is_shortened(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Say whether anything may be kept less long under one document than under an earlier one.

    Where the earlier one names no term, as while a place's rules were unknown, any term is shorter.
    """
    ended = before.get("ended", {})
    if any(code not in ended or by < ended[code] for code, by in after["ended"].items()):
        return True
    return any(
        days < before["purposes"].get(code, {}).get("kept", {}).get(signal, math.inf)
        for code, purpose in after["purposes"].items()
        for signal, days in purpose["kept"].items()
    )


def places_of_others() -> set[str]:
    """Return the places of other people whose words some app of the registry shows."""
    known = App.objects.filter(counterparties__isnull=False).exclude(data_of=DataOf.OWN.value)
    lists = known.values_list("counterparties", flat=True)
    return {code for codes in lists for code in codes or ()}


def _apps(agreements: Collection[Agreement], rules: Rulebook) -> dict[str, Any]:
    return {
        app.code: {
            "name": app.name,
            "category": app.category,
            "data_of": app.data_of,
            "counterparties": app.counterparties,
            "places_of_others": sorted(with_those_above(app.counterparties or (), rules)),
            "agreements_of_others": _of_colleagues(app, agreements, rules),
            "blocked": app.blocked_at is not None,
            "matchers": [_mark(mark) for mark in _marks(app)],
            "despite_catalogue": [_mark(m) for m in _marks(app) if m.despite_catalogue],
        }
        for app in App.objects.prefetch_related("matchers").order_by("code")
    }


def _of_colleagues(app: App, agreements: Collection[Agreement], rules: Rulebook) -> list[str]:
    """Return the agreements of the places where the colleagues are whose words an app shows.

    At which sites they are is not known, so one for some sites counts as well. Customers and
    guests have no part in an agreement.
    """
    if app.data_of != DataOf.COLLEAGUES:
        return []
    places = with_those_above(app.counterparties or (), rules)
    return sorted(row.code for row in agreements if places & set(row.jurisdictions))


def _marks(app: App) -> list[AppMatcher]:
    return sorted(app.matchers.all(), key=lambda m: (m.platform, m.kind, m.value))


def _mark(mark: AppMatcher) -> dict[str, str]:
    return {"platform": mark.platform, "kind": mark.kind, "value": mark.value}


def _inputs(purpose: Purpose) -> PurposeInputs:
    notice = current_notice(purpose)
    evidence = GateEvidence.objects.filter(purpose=purpose, reopening__isnull=True)
    overrides = SignalOverride.objects.filter(purpose=purpose, revocation__isnull=True)
    return PurposeInputs(
        purpose=purpose,
        terms={
            "title": purpose.title,
            "retention_days": purpose.retention_days,
            "notice_version": notice.version if notice else None,
            "notice_at": notice.published_at.isoformat()
            if notice and notice.published_at
            else None,
            "allowlist": _allowlist(purpose),
        },
        evidence=tuple(evidence.order_by("pk")),
        overrides=tuple(overrides.order_by("pk")),
    )


def _purpose(inputs: PurposeInputs, about: _About, shared: Published) -> dict[str, Any]:
    bound, silent = by_speaking(about.bound, inputs.purpose.code)
    others, silent_others = by_speaking(about.others, inputs.purpose.code)

    def lifted(row: Agreement, among: Collection[Agreement]) -> dict[str, list[str]]:
        """Return by which agreements the silence of one is lifted, while they bind."""
        return {"lifted_by": [one.code for one in among if shared.agreements.lifts(one, row)]}

    return {
        **inputs.terms,
        "gates": list(_evidence_for(inputs, about, shared)),
        # One of a site of one of two days speaks for no place.
        "agreements": [
            _agreement(row, about, shared) | ({} if is_about(row, about.people) else {"places": []})
            for row in bound
        ],
        # Those about the same people that name other purposes only, and those about their places
        # that name other sites only.
        "silent_agreements": [
            {**_agreement(row, about, shared), **lifted(row, bound)}
            for row in (*silent, *about.at_other_sites)
        ],
        # Of the colleagues whose words some app shows, wherever they are.
        "agreements_of_others": [_agreement(row, about, shared, theirs=False) for row in others],
        "silent_agreements_of_others": [
            {**_agreement(row, about, shared, theirs=False), **lifted(row, others)}
            for row in silent_others
        ],
        # Of every place: in content signals the places of others count as well.
        "overrides": [_override(row) for row in inputs.overrides],
    }


def _allowlist(purpose: Purpose) -> dict[str, dict[str, int]]:
    """Return app -> signal -> its entry: who said yes by another entry is asked anew."""
    listed: dict[str, dict[str, int]] = {}
    entries = AllowlistEntry.objects.filter(purpose=purpose, delisted_at__isnull=True)
    rows = entries.order_by("app__code", "signal").values_list("app__code", "signal", "pk")
    for code, signal, listing in rows:
        listed.setdefault(code, {})[signal] = listing
    return listed


def _evidence_for(
    inputs: PurposeInputs, about: _About, shared: Published
) -> Iterator[dict[str, Any]]:
    """Yield the evidence that may count for these people.

    Of the places of others, too: in content signals their gates count as well.
    """
    places = about.people.places | shared.elsewhere
    for row in inputs.evidence:
        if row.jurisdiction not in places:
            continue
        windows = shared.agreements.windows(row.document_sha256, row.jurisdiction, about.people)
        if windows is None:
            yield _evidence(row)
        elif windows:
            days = [[_day(since), _day(until)] for since, until in windows]
            yield {**_evidence(row), "within": days}


def _evidence(row: GateEvidence) -> dict[str, Any]:
    return {
        "gate": row.gate,
        "jurisdiction": row.jurisdiction,
        "from": _day(row.valid_from),
        "until": _day(row.valid_until),
        **({"not_applicable": True} if row.not_applicable_reason else {}),
    }


def _whom(name: str) -> str:
    """Return whom hours are for, a site however it is written."""
    return SITE + site_key(name.removeprefix(SITE)) if name.startswith(SITE) else name


def _hours(hours: WorkingHours, works_in: Collection[str]) -> list[dict[str, Any]]:
    """Return hours as they hold for people who work there; the zone is null where none is known."""
    return [schedule_entry(schedule) for schedule in hours.held_at(works_in)]


def _agreement(
    row: Agreement, about: _About, shared: Published, *, theirs: bool = True
) -> dict[str, Any]:
    """Return an agreement as it holds for these people, or for all the colleagues whom it binds."""
    hours = WorkingHours.read(row.working_hours) if row.working_hours else None
    among = about.people.places if theirs else row.jurisdictions
    return {
        **({"hours": _hours(hours, about.works_in)} if hours else {}),
        "code": row.code,
        "places": sorted(set(row.jurisdictions).intersection(among)),
        "apps": row.apps,
        "signals": row.signals,
        "retention_cap_days": row.retention_cap_days,
        "from": _day(row.valid_from),
        "until": _day(row.valid_until),
        "replaced_on": _day(shared.agreements.ends(row, about.people if theirs else None)),
    }


def _override(row: SignalOverride) -> dict[str, Any]:
    return {
        "jurisdiction": row.jurisdiction,
        "signal": row.signal,
        "from": _day(row.valid_from),
        "until": _day(row.valid_until),
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
