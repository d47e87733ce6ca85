"""The decision: what may be captured, or every reason why it may not. Pure; a gap denies."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Final

from consent.policy.bounds import AnySignal, Bounds
from consent.policy.deadlines import add_months
from consent.policy.facts import (
    ACTIVE,
    EVERY,
    Agreement,
    AppFacts,
    Evidence,
    Facts,
    PersonFacts,
    day,
    day_at,
    is_later,
)
from consent.policy.gates import asked_gates
from consent.policy.reasons import ORDER, Reason, ReasonCode
from consent.policy.rulebook import NOWHERE, Law, Rulebook
from consent.policy.types import (
    CONTENT_SIGNALS,
    NEVER_CATEGORIES,
    AppCategory,
    ConsentState,
    NeverSignal,
    Signal,
)

Pairs = Collection[tuple[str | None, AnySignal]]
Reasons = tuple[Reason, ...]

NEVER_THERE: Final = Reason(ReasonCode.NEVER_CATEGORY)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one person, app and signal. No reason against it is what permits."""

    reasons: Reasons
    retention_days: int | None
    """The longest that what is captured may be kept; `None` where nothing may be."""
    pack_version: str

    @property
    def permitted(self) -> bool:
        """Say whether capture is allowed."""
        return not self.reasons

    def and_also(self, other: "Decision") -> "Decision":
        """Return what is left where both must permit: reasons of either, and the shorter term.

        Of a reason that both give, the words of the other stand, which is about a later day.
        """
        if self == other:
            return self
        reasons = {(reason.code, reason.detail, _what(reason)): reason for reason in self.reasons}
        reasons |= {(reason.code, reason.detail, _what(reason)): reason for reason in other.reasons}
        terms = (self.retention_days, other.retention_days)
        kept = [days for days in terms if days is not None]
        return Decision(
            tuple(sorted(reasons.values(), key=_place)),
            min(kept) if kept and not reasons else None,
            other.pack_version,
        )

    @property
    def codes(self) -> tuple[str, ...]:
        """Return the reasons as an answer lists them, such as `no_consent:refused`."""
        return tuple(str(reason) for reason in self.reasons)


def evaluate(facts: Facts, rulebook: Rulebook) -> Decision:
    """Return what may be captured, or every reason why not.

    Silence is refusal: a missing rule, fact or answer never permits. In a category that is never
    captured that is the only reason given, so that a refusal there says nothing else.
    """
    consented: Pairs = {(facts.app, signal) for signal in facts.consented_signals}
    return next(_Case(facts, rulebook).decide_app(facts, (facts.signal,), consented))


def evaluate_many(
    person: PersonFacts,
    apps: Iterable[AppFacts],
    rulebook: Rulebook,
    *,
    consented: Pairs,
    lapsed: Pairs = frozenset(),
    signals: Collection[AnySignal] = tuple(Signal),
) -> dict[tuple[str | None, AnySignal], Decision]:
    """Return a decision for each app and signal; what they share is worked out once.

    `consented` are the pairs the person chose: a pair that is not among them is denied. `lapsed`
    are those chosen once whose listing ended since: they are denied too, and the reason says so.
    """
    case = _Case(person, rulebook)
    case.lapsed = frozenset(lapsed)
    pairs = consented if isinstance(consented, set | frozenset) else frozenset(consented)
    return {
        (app.app, signal): decision
        for app in apps
        for signal, decision in zip(signals, case.decide_app(app, signals, pairs), strict=True)
    }


class _Case:
    """One person's case: remembers what several apps or signals share, for one call only."""

    def __init__(self, person: PersonFacts, rulebook: Rulebook) -> None:
        self.person = person
        self.rulebook = rulebook
        self.lapsed: frozenset[tuple[str | None, AnySignal]] = frozenset()
        self.person_reasons = (*_standing(person), *_choice(person))
        self.laws: dict[frozenset[str], Law] = {}
        self.law_reasons: dict[frozenset[str], Reasons] = {}
        self.signal_reasons: dict[tuple[frozenset[str], AnySignal], Reasons] = {}
        self.answers: dict[
            tuple[frozenset[str], AnySignal, Reasons, tuple[Agreement, ...]], Decision
        ] = {}

    def decide_app(
        self, app: AppFacts, signals: Iterable[AnySignal], consented: Pairs
    ) -> Iterator[Decision]:
        """Decide every signal of one app; of a category that is never captured say only that."""
        if app.app_reported or app.app_category in NEVER_CATEGORIES:
            yield from (Decision((NEVER_THERE,), None, self.rulebook.version) for _ in signals)
            return
        plain = self.person.jurisdictions
        joined = plain | (app.counterparties or frozenset())
        about_app, about_others = tuple(_app(app)), tuple(_counterparties(app))
        for signal in signals:
            codes, found, agreements = plain, about_app, self.person.agreements
            if signal in CONTENT_SIGNALS:
                codes, found = joined, about_app + about_others
                agreements = tuple(dict.fromkeys((*agreements, *app.agreements_of_others)))
            if app.listed_signals is not None and signal not in app.listed_signals:
                # What is not asked for cannot be agreed to: it says nothing about the person.
                found = (*found, *_not_listed(app, signal))
            elif (app.app, signal) in self.lapsed:
                found = (*found, _listed_anew(signal))
            elif (app.app, signal) not in consented:
                found = (*found, _not_consented(signal))
            if agreements:
                found = (*found, *_agreements(agreements, app, signal, self.person.at))
            yield self._answer(codes, signal, found, agreements)

    def _answer(
        self,
        codes: frozenset[str],
        signal: AnySignal,
        found: Reasons,
        agreements: tuple[Agreement, ...],
    ) -> Decision:
        """Add what holds for every app, once for each set of reasons and papers that differs."""
        key = (codes, signal, found, agreements)
        if key not in self.answers:
            reasons = sorted((*found, *self._shared(codes, signal)), key=_place)
            bounds = self.laws[codes].bounds
            person, rules = self.person, self.rulebook
            if agreements != person.agreements:
                person = replace(person, agreements=agreements)
            kept = None if reasons else retention_days(person, bounds, signal, rules)
            self.answers[key] = Decision(tuple(reasons), kept, self.rulebook.version)
        return self.answers[key]

    def _shared(self, codes: frozenset[str], signal: AnySignal) -> Reasons:
        if codes not in self.laws:
            self.laws[codes] = self.rulebook.law(codes, self.person.today)
            law = self.laws[codes]
            self.law_reasons[codes] = tuple(_law(self.person, codes, law, self.rulebook))
        if (codes, signal) not in self.signal_reasons:
            found = _signal(self.person, codes, self.laws[codes], signal, self.rulebook)
            self.signal_reasons[codes, signal] = tuple(found)
        return (
            *self.person_reasons,
            *self.law_reasons[codes],
            *self.signal_reasons[codes, signal],
        )


def _what(reason: Reason) -> object:
    """Return which agreement a reason is about: it is given once for each."""
    return dict(reason.params).get("agreement")


def _place(reason: Reason) -> tuple[int, str]:
    return ORDER[reason.code], reason.detail


def _standing(person: PersonFacts) -> Iterator[Reason]:
    """Object where the whole programme, the person or their agent is stopped just now."""
    for name, value, code in (
        ("killed", person.killed, ReasonCode.KILL_SWITCH),
        ("paused", person.paused, ReasonCode.PAUSED),
    ):
        if value is None:
            yield Reason(ReasonCode.FACT_UNKNOWN, name)
        elif value:
            yield Reason(code)
    if person.departed:
        yield Reason(ReasonCode.PERSON_DEPARTED)
    if person.agent_standing != ACTIVE:
        yield Reason(ReasonCode.AGENT_NOT_ACTIVE)
    if not person.in_hours:
        yield Reason(ReasonCode.OUTSIDE_WORK_HOURS, params=_hours(person))


def _hours(person: PersonFacts) -> tuple[tuple[str, object], ...]:
    """Return when hours begin again, or that they are not known; nothing where neither is said."""
    if person.in_hours is None:
        return (("hours", "unknown"),)
    return (("opens_at", person.hours_turn),) if person.hours_turn else ()


def _choice(person: PersonFacts) -> Iterator[Reason]:
    """Object where the person's own answer does not stand."""
    if person.consent is not ConsentState.GIVEN:
        yield Reason(ReasonCode.NO_CONSENT, person.consent.value)
    elif person.consent_given_on and is_later(person.consent_given_on, person.at):
        given = day_at(person.consent_given_on, person.at)
        yield Reason(ReasonCode.CONSENT_NOT_YET_GIVEN, params=(("allowed_from", given),))
    if not person.notice_version_ok:
        yield Reason(ReasonCode.NOTICE_CHANGED_RECONSENT)


def _law(
    person: PersonFacts, places: frozenset[str], law: Law, rulebook: Rulebook
) -> Iterator[Reason]:
    """Object where the rules of the places ask for something that is not there."""
    # The places of other people are none of theirs: who works nowhere is under no law that permits.
    nowhere = () if person.jurisdictions or NOWHERE in law.gaps else (NOWHERE,)
    if gaps := (*nowhere, *law.gaps):
        codes = tuple(dict.fromkeys(gap.code for gap in gaps if gap.code))
        why = tuple((gap.code, gap.why) for gap in gaps)
        yield Reason(ReasonCode.UNKNOWN_JURISDICTION, jurisdictions=codes, params=(("why", why),))
    bounds = law.bounds
    if bounds is None:
        return
    if law.prohibited:
        codes = rulebook.behind(bounds, rulebook.prohibits)
        yield Reason(ReasonCode.JURISDICTION_PROHIBITED, jurisdictions=codes)
    signed = person.counsel_signed_off
    if signed != EVERY and (unsigned := bounds.needs_counsel - frozenset(signed or ())):
        yield Reason(ReasonCode.COUNSEL_SIGNOFF_MISSING, jurisdictions=tuple(sorted(unsigned)))
    yield from _expiry(person, bounds, rulebook)
    yield from _gates(person, places, bounds, rulebook)
    yield from _notice(person, bounds, rulebook)
    if bounds.acknowledgement_required and not person.ack:
        codes = rulebook.behind(bounds, lambda own: own.acknowledgement_required)
        yield Reason(ReasonCode.ACKNOWLEDGEMENT_MISSING, jurisdictions=codes)


def consent_ends(given_on: date, bounds: Bounds) -> date | None:
    """Return the first day on which a consent no longer counts; `None` where no law ends it."""
    months = bounds.reconsent_months
    return None if months is None else add_months(day(given_on), months)


def _expiry(person: PersonFacts, bounds: Bounds, rulebook: Rulebook) -> Iterator[Reason]:
    if person.consent is not ConsentState.GIVEN:
        return
    given = person.consent_given_on and day_at(person.consent_given_on, person.at)
    ends = consent_ends(given, bounds) if given else None
    if given is None or (ends and person.today >= ends):
        codes = rulebook.behind(bounds, lambda own: own.reconsent_months == bounds.reconsent_months)
        yield Reason(ReasonCode.CONSENT_EXPIRED, "", codes, (("ended_on", ends),))


def _gates(
    person: PersonFacts, places: frozenset[str], bounds: Bounds, rulebook: Rulebook
) -> Iterator[Reason]:
    """Object where a place that asks for a gate has no evidence of its own that closes it."""
    asked = asked_gates(person, places, bounds, rulebook)
    if still := [one for one in asked if one.is_open(person.at)]:
        codes = tuple(sorted({one.rule for one in still}))
        params: list[tuple[str, object]] = [("gates", tuple(sorted({one.gate for one in still})))]
        opens = [one.opens for one in still if one.opens]
        if len(opens) == len(still):
            params.append(("allowed_from", max(opens)))
        yield Reason(ReasonCode.GATES_OPEN, "", codes, tuple(params))


def notice_over(person: PersonFacts, bounds: Bounds) -> date | None:
    """Return the first day after the notice period; `None` where no notice was given."""
    if person.notice_on is None:
        return None
    days = 0 if person.notice_waived and bounds.notice_waivable else bounds.notice_days
    return day_at(person.notice_on, person.at) + timedelta(days=days)


def _notice(person: PersonFacts, bounds: Bounds, rulebook: Rulebook) -> Iterator[Reason]:
    over = notice_over(person, bounds)
    waived = person.notice_waived and bounds.notice_waivable
    none_needed = bounds.notice_days == 0 or waived
    given = person.notice_on is not None and not is_later(person.notice_on, person.at)
    if (over is None and not none_needed) or (over and (over > person.today or not given)):
        codes = rulebook.behind(bounds, lambda own: own.notice_days > 0)
        params: list[tuple[str, object]] = [("days", bounds.notice_days), ("allowed_from", over)]
        if bounds.notice_waivable and bounds.notice_days:
            params.append(("waivable", True))
        yield Reason(ReasonCode.NOTICE_PERIOD_RUNNING, "", codes, tuple(params))


def _signal(
    person: PersonFacts,
    places: frozenset[str],
    law: Law,
    signal: AnySignal,
    rulebook: Rulebook,
) -> Iterator[Reason]:
    """Object where a rule forbids the signal, or lets it pass only with an override."""
    bounds = law.bounds
    forbidden = bounds is not None and signal in bounds.prohibited_signals
    if forbidden or signal in rulebook.meta.always_prohibited or signal in NeverSignal:
        codes = rulebook.behind(bounds, lambda own: signal in own.prohibited_signals)
        yield Reason(ReasonCode.SIGNAL_PROHIBITED, "", codes, (("signal", signal.value),))
    elif bounds and signal in bounds.restricted_signals:
        codes = rulebook.behind(bounds, lambda own: signal in own.restricted_signals)
        if not _lifted(person, places, codes, signal, rulebook):
            params = (("signal", signal.value),)
            yield Reason(ReasonCode.SIGNAL_RESTRICTED_NO_OVERRIDE, "", codes, params)


def _lifted(
    person: PersonFacts,
    places: frozenset[str],
    restricting: Collection[str],
    signal: AnySignal,
    rulebook: Rulebook,
) -> bool:
    """Say whether exceptions lift a restriction, other people's places included.

    An exception for the person's own place does nothing about the rule of somebody else's, not
    even about one that both have from the same place above them.
    """
    if signal not in person.overrides:
        return False
    granted = person.exceptions
    return granted is None or all(
        (row.code, signal) in granted or (code, signal) in granted
        for code in places - person.jurisdictions
        for row in rulebook.lineage(code)
        if row.code in restricting
    )


def _app(app: AppFacts) -> Iterator[Reason]:
    """Object where the app is not one that may be captured."""
    if not app.app_allowed:
        yield Reason(ReasonCode.APP_NOT_ALLOWLISTED)
    if app.app_category is None or app.app_category is AppCategory.UNKNOWN:
        yield Reason(ReasonCode.APP_CATEGORY_UNKNOWN)


def _not_listed(app: AppFacts, signal: AnySignal) -> Iterator[Reason]:
    """Object to a signal that is not on the list; of an app that is not, that is said already."""
    if app.app_allowed:
        yield Reason(ReasonCode.SIGNAL_NOT_LISTED, params=(("signal", signal.value),))


@cache
def _not_consented(signal: AnySignal) -> Reason:
    return Reason(ReasonCode.SIGNAL_NOT_CONSENTED, params=(("signal", signal.value),))


@cache
def _listed_anew(signal: AnySignal) -> Reason:
    return Reason(ReasonCode.LISTED_ANEW_RECONSENT, params=(("signal", signal.value),))


def _counterparties(app: AppFacts) -> Iterator[Reason]:
    """Object where the app may show another person's words and nothing protects that person."""
    if app.counterparties is None:
        yield Reason(ReasonCode.FACT_UNKNOWN, "counterparties")
    elif app.counterparties and not (app.counterparties_consented or app.counterparty_masked):
        others = tuple(sorted(app.counterparties))
        yield Reason(ReasonCode.COUNTERPARTY_UNCONSENTED, jurisdictions=others)


def _agreements(
    agreements: Iterable[Agreement], app: AppFacts, signal: AnySignal, at: date
) -> Iterator[Reason]:
    """Object where an agreement, or the organisation's own setting, does not reach."""
    for agreement in agreements:
        if not agreement.covers(app.app, signal, at):
            params = (("agreement", agreement.name),)
            yield Reason(ReasonCode.AGREEMENT_DOES_NOT_COVER, params=params)


def retention_days(
    person: PersonFacts, bounds: Bounds | None, signal: AnySignal, rulebook: Rulebook
) -> int | None:
    """Return the longest that a signal may be kept: the least of every cap there is.

    `None` without bounds: nothing may be kept where no rule is known.
    """
    if bounds is None:
        return None
    caps = [rulebook.guidance_days(signal), bounds.retention_cap_days, person.own_retention_days]
    if signal in rulebook.meta.biometric_signals:
        caps.append(bounds.biometric_retention_cap_days)
    caps += [agreement.retention_days for agreement in person.agreements]
    return min(cap for cap in caps if cap is not None)


def next_change(
    facts: PersonFacts, rulebook: Rulebook, apps: Iterable[AppFacts] = ()
) -> date | None:
    """Return when an answer could next change by itself; `None` if time alone changes nothing.

    A day comes back for a day asked about, an instant (midnight in the same time zone) for an
    instant. Pauses and the end of overrides are known to the caller alone.
    """
    own = (facts,) if isinstance(facts, AppFacts) else ()
    groups = {facts.jurisdictions | (app.counterparties or frozenset()) for app in (*own, *apps)}
    groups.add(facts.jurisdictions)
    days = {one for codes in groups for one in _days(facts, codes, rulebook)}
    papers: list[Agreement | Evidence] = [*facts.agreements]
    papers += [agreement for app in (*own, *apps) for agreement in app.agreements_of_others]
    papers += facts.gates if isinstance(facts.gates, frozenset) else ()
    ends = [one for paper in papers for one in (paper.valid_from, paper.valid_until) if one]
    days |= {day_at(one, facts.at) for one in ends}
    coming = min((one for one in days if one > facts.today), default=None)
    if not isinstance(facts.at, datetime):
        return coming
    aware = facts.at.tzinfo is not None
    turns = [facts.hours_turn] if facts.hours_turn else []
    # What is dated to the minute counts from that minute on.
    dated = [facts.consent_given_on, facts.notice_on, *ends]
    dated += facts.gates.values() if isinstance(facts.gates, Mapping) else ()
    turns += [one for one in dated if isinstance(one, datetime) and bool(one.tzinfo) == aware]
    if coming:
        turns.append(datetime.combine(coming, time.min, facts.at.tzinfo))
    return min((turn for turn in turns if turn > facts.at), default=None)


def _days(person: PersonFacts, codes: frozenset[str], rulebook: Rulebook) -> Iterator[date]:
    """List the days on which the answer under these codes could turn, past ones included."""
    yield from rulebook.turning_days(codes)
    bounds = rulebook.law(codes, person.today).bounds
    if bounds is None:
        return
    if over := notice_over(person, bounds):
        yield over
    yield from (one.opens for one in asked_gates(person, codes, bounds, rulebook) if one.opens)
    if person.consent is ConsentState.GIVEN and person.consent_given_on:
        given = day_at(person.consent_given_on, person.at)
        yield given
        if ends := consent_ends(given, bounds):
            yield ends
