"""Every reason why a place's rules cannot be applied has words on the pages."""

from __future__ import annotations

from datetime import date


def test_a_place_that_nobody_adopted_yet_is_told_in_words() -> None:
    from consent.policy.adoption import stricter
    from consent.policy.rulebook import load_rulebook, rulebook_of_tables
    from portal.pages.reasonwords import details

    shipped = load_rulebook()
    tables = {name: table for name, table in shipped.tables.items() if name != "DE.toml"}
    law = stricter(rulebook_of_tables(tables), shipped).law({"DE"}, date(2026, 12, 10))
    assert [gap.why for gap in law.gaps] == ["not_adopted"]

    told = details({"why": [(gap.code, gap.why) for gap in law.gaps]}, shipped)

    assert told == ["DE: its rules came with the program and nobody has adopted them yet."]
