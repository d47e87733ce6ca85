"""Which place set a value: always one whose own file says it, and nobody where nobody asks."""

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_factories import TODAY

from consent.policy.describe import describe_bounds
from consent.policy.provenance import FLAGS, LISTS, VALUES, entries_set_by, set_by
from consent.policy.rulebook import Law, load_rulebook

PLACES = st.sets(st.sampled_from(sorted(load_rulebook().rows)), min_size=1, max_size=4)


@settings(max_examples=150)
@given(places=PLACES)
def test_the_places_behind_a_value_say_it_in_their_own_files(places: set[str]) -> None:
    pack = load_rulebook()
    law = pack.law(places, TODAY)
    assert law.bounds
    joined = describe_bounds(law, law.bounds, pack)

    behind = set_by(law, pack, TODAY)

    assert set(behind) == {*VALUES, *FLAGS, *LISTS, "retention_floor_days"}
    for key, codes in behind.items():
        assert set(codes) <= law.bounds.codes
        for code in codes:
            own = pack.rows[code].own
            said = describe_bounds(Law(own, (), prohibited=False), own, pack)[key]
            if key in LISTS:
                assert set(said) & set(joined[key]), (key, code)
            elif key != "dsar_extension_days":  # days and months of it go together
                assert said == joined[key], (key, code)
    asked = {key for key in VALUES if joined[key] not in (None, 0, [])}
    assert all(behind[key] for key in asked)


@settings(max_examples=100)
@given(places=PLACES)
def test_every_entry_of_a_list_has_its_own_places(places: set[str]) -> None:
    pack = load_rulebook()
    law = pack.law(places, TODAY)

    for key in LISTS:
        for entry, codes in entries_set_by(law, pack, key, TODAY).items():
            assert codes, (key, entry)
            for code in codes:
                assert entry in {str(one) for one in getattr(pack.rows[code].own, key)}


def test_who_asks_for_what_between_two_places() -> None:
    pack = load_rulebook()
    law = pack.law(["PL", "US-NY"], TODAY)

    behind = set_by(law, pack, TODAY)

    assert behind["notice_days"] == ("PL",)
    assert behind["dsar_period"] == ("EU", "PL")
    assert behind["acknowledgement_required"] == ("US-NY",)
    assert behind["retention_cap_days"] == ()
    assert set_by(pack.law([], TODAY), pack, TODAY) == {}
