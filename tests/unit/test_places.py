"""Places are listed as people look for them."""

from __future__ import annotations

from consent.rules import shipped
from portal.pages.placenames import places_to_choose


def test_places_stand_by_name_and_the_parts_of_a_country_after_it() -> None:
    listed = [code for code, _name in places_to_choose(shipped())]

    assert listed[:6] == ["AU", "AU-ACT", "AU-NSW", "AT", "BE", "BR"]
    assert listed.index("CH") > listed.index("SE"), "Switzerland after Sweden"
    assert listed[listed.index("US") :][:2] == ["US", "US-CA"]
    assert sorted(listed) == sorted(shipped().rows)


def test_a_place_is_offered_by_name_and_code() -> None:
    assert ("US-CA", "California (US-CA)") in places_to_choose(shipped())
