"""Two packs at once: the stricter of the adopted and the shipped one, never looser than either."""

import copy
import json
from datetime import date, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent.policy.adoption import (
    differing,
    from_json,
    loosened,
    may_lack_rules,
    stricter,
    to_json,
)
from consent.policy.bounds import JOINS, join
from consent.policy.evaluate import evaluate, retention_days
from consent.policy.rulebook import Rulebook, load_rulebook, rulebook_of_tables
from consent.policy.types import Signal
from tests.policy.policy_factories import TODAY, allowed, person

CODES = ("EU", "IE", "DE", "US", "US-TX", "GB")
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "notice_days": st.sampled_from([0, 7, 400]),
    "retention_cap_days": st.sampled_from(["none", 3, 45]),
    "biometric_retention_cap_days": st.sampled_from(["none", 2]),
    "reconsent_months": st.sampled_from([1, 12]),
    "prohibited_signals": st.sampled_from([[], ["scroll"], ["mouse_click", "key_timing"]]),
    "restricted_signals": st.sampled_from([[], ["app_focus"], ["clipboard"]]),
    "acknowledgement_required": st.booleans(),
    "status": st.sampled_from(["in_force", "pending"]),
    "effective_from": st.sampled_from(["none", TODAY, TODAY + timedelta(days=9)]),
    "effective_until": st.sampled_from(["none", TODAY + timedelta(days=99)]),
    "review_by": st.sampled_from([date(2027, 2, 22), date(2026, 11, 22)]),
    "default": st.sampled_from(["opt_in", "prohibited"]),
}


def names(pack: Rulebook, place: str) -> set[str]:
    return {row.code for row in pack.lineage(place)}


def a_pack(changes: dict[tuple[str, str], Any], without: frozenset[str] = frozenset()) -> Rulebook:
    tables = copy.deepcopy(
        {
            name: dict(table)
            for name, table in load_rulebook().tables.items()
            if name in {"meta.toml", "gates.toml"} or name.removesuffix(".toml") in CODES
        }
    )
    for (code, key), value in changes.items():
        tables[f"{code}.toml"][key] = value
    for code in without:
        del tables[f"{code}.toml"]
    return rulebook_of_tables(tables)


def a_change() -> st.SearchStrategy[dict[tuple[str, str], Any]]:
    one = st.sampled_from(sorted(CHANGES)).flatmap(
        lambda key: st.tuples(st.tuples(st.sampled_from(CODES), st.just(key)), CHANGES[key])
    )
    return st.lists(one, max_size=6).map(dict)


Changed = tuple[dict[tuple[str, str], Any], frozenset[str]]
PACKS = st.tuples(a_change(), st.frozensets(st.sampled_from(["IE", "GB", "US-TX"]), max_size=1))
PLACES = st.frozensets(st.sampled_from(CODES), min_size=1, max_size=3)
DAYS = st.sampled_from([TODAY, TODAY + timedelta(days=9), TODAY + timedelta(days=120)])


@settings(max_examples=150, deadline=None)
@given(old=PACKS, new=PACKS, places=PLACES, on=DAYS, signal=st.sampled_from(Signal))
def test_both_together_permit_only_what_each_permits(
    old: Changed, new: Changed, places: frozenset[str], on: date, signal: Signal
) -> None:
    adopted, shipped = a_pack(*old), a_pack(*new)
    both = stricter(adopted, shipped)
    facts = allowed(jurisdictions=places, at=on, signal=signal, overrides=frozenset({signal}))

    together = evaluate(facts, both)

    for pack in (adopted, shipped):
        alone = evaluate(facts, pack)
        if together.permitted:
            assert alone.permitted
            assert together.retention_days is not None
            assert alone.retention_days is not None
            assert together.retention_days <= alone.retention_days


@settings(max_examples=100, deadline=None)
@given(old=PACKS, new=PACKS, places=PLACES, on=DAYS)
def test_the_law_of_both_is_the_join_of_the_two_and_no_stricter(
    old: Changed, new: Changed, places: frozenset[str], on: date
) -> None:
    adopted, shipped = a_pack(*old), a_pack(*new)
    law = stricter(adopted, shipped).law(places, on)

    each = [pack.law(places, on) for pack in (adopted, shipped)]
    known = [one.bounds for one in each if one.bounds]
    expected = join(*known) if len(known) > 1 else next(iter(known), None)
    if expected is None or law.bounds is None:
        assert law.bounds is expected is None
    else:
        assert {n: getattr(law.bounds, n) for n in JOINS} == {
            n: getattr(expected, n) for n in JOINS
        }
    assert {gap.code for gap in law.gaps} == {gap.code for one in each for gap in one.gaps}


@settings(max_examples=150, deadline=None)
@given(
    old=a_change(),
    new=a_change(),
    codes=st.sets(st.sampled_from(CODES), min_size=1),
    places=PLACES,
    on=DAYS,
    signal=st.sampled_from(Signal),
)
@example(
    # Both laws of one place pend in the mixture of two packs, in each of which one is in force.
    old={("US", "status"): "pending"},
    new={("US-TX", "status"): "pending"},
    codes={"US-TX"},
    places=frozenset({"EU", "US-TX"}),
    on=TODAY,
    signal=Signal.APP_FOCUS,
)
def test_going_back_from_texts_that_are_those_shipped_never_permits_more(
    old: dict[tuple[str, str], Any],
    new: dict[tuple[str, str], Any],
    codes: set[str],
    places: frozenset[str],
    on: date,
    signal: Signal,
) -> None:
    earlier, shipped = a_pack(old), a_pack(new)
    files = {f"{code}.toml" for code in codes}
    adopted = rulebook_of_tables(
        {**earlier.tables, **{file: shipped.tables[file] for file in files}}
    )
    facts = allowed(jurisdictions=places, at=on, signal=signal, overrides=frozenset({signal}))

    before = evaluate(facts, stricter(adopted, shipped))
    after = evaluate(facts, stricter(earlier, shipped))

    # Where a place could not stand on what is adopted it denied, and may do so no more.
    if after.permitted and not adopted.problems and not may_lack_rules(adopted, codes, on):
        assert before.permitted
        assert after.retention_days is not None
        assert before.retention_days is not None
        assert after.retention_days <= before.retention_days


@settings(max_examples=60, deadline=None)
@given(old=PACKS, new=PACKS, places=PLACES)
def test_the_rules_of_both_turn_on_the_days_of_either(
    old: Changed, new: Changed, places: frozenset[str]
) -> None:
    adopted, shipped = a_pack(*old), a_pack(*new)
    both = stricter(adopted, shipped)

    assert both.turning_days(places) == adopted.turning_days(places) | shipped.turning_days(places)
    for place in places:
        assert names(both, place) == names(adopted, place) | names(shipped, place)


def test_equal_packs_are_one_and_their_digest_stays() -> None:
    pack, same = a_pack({}), a_pack({})

    assert stricter(pack, same) is same
    assert stricter(pack, a_pack({("EU", "notice_days"): 7})).digest not in {pack.digest, ""}


def test_what_one_pack_alone_knows_is_a_gap() -> None:
    old, new = a_pack({}, without=frozenset({"GB"})), a_pack({}, without=frozenset({"IE"}))

    both = stricter(old, new)

    assert [gap.why for gap in both.law(["GB"], TODAY).gaps] == ["not_adopted"]
    assert [gap.why for gap in both.law(["IE"], TODAY).gaps] == ["missing"]
    assert not both.law(["US"], TODAY).gaps


def test_orders_that_differ_cannot_be_compared_so_nothing_is_permitted() -> None:
    new = a_pack({})
    tables = copy.deepcopy(dict(new.tables))
    tables["meta.toml"]["order_basis"] = [*reversed(tables["meta.toml"]["order_basis"])]  # type: ignore[index]
    old = rulebook_of_tables(tables)

    law = stricter(old, new).law(["US"], TODAY)

    assert [gap.why for gap in law.gaps] == ["not_adopted"]


def test_shorter_guidance_in_either_pack_counts() -> None:
    new = a_pack({})
    tables = copy.deepcopy(dict(new.tables))
    guidance = tables["meta.toml"]["retention_guidance_days"]
    guidance["scroll"], guidance["mouse_click"] = 3, 300
    old = rulebook_of_tables(tables)
    both = stricter(old, new)
    bounds = both.law(["US"], TODAY).bounds

    kept = [retention_days(person(), bounds, s, both) for s in (Signal.SCROLL, Signal.MOUSE_CLICK)]

    assert kept == [3, 90]


def test_what_could_be_adopted_and_what_that_would_loosen() -> None:
    old = a_pack({("GB", "retention_cap_days"): 20}, without=frozenset({"US-TX"}))
    new = a_pack({("IE", "retention_cap_days"): 20})

    assert differing(old, new) == ("GB", "IE", "US-TX")
    assert loosened(old, new, "GB") == ("retention_cap_days",)
    assert loosened(old, new, "IE") == ()
    assert loosened(old, new, "US-TX") == ("everything",)


def test_a_pack_comes_back_from_json_as_it_was() -> None:
    pack = load_rulebook()

    back = rulebook_of_tables(from_json(json.loads(json.dumps(to_json(pack.tables)))))

    assert back.digest == pack.digest
    assert back.rows == pack.rows
    assert back.meta == pack.meta
