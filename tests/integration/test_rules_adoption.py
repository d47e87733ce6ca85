"""New rules come with a new version: what they tighten acts at once, what they widen waits."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests import factories
from tests.integration.shipped import Shipped

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def adopt(*codes: str) -> list[Any]:
    from consent import services

    return services.adopt_rules(codes=codes, actor=factories.OFFICER)


def kept(world: factories.World, at: datetime | None = None) -> int | None:
    """How long a click in the tracker may be kept; None where it may not be recorded."""
    from consent import selectors

    world.subject.refresh_from_db()
    allow = selectors.verdicts_for(world.subject, at=at or datetime.now(UTC)).allow()
    return allow.get("train-agents", {}).get("tracker", {}).get("mouse_click")


def in_gb() -> factories.World:
    world = factories.make_world("GB")
    world.say_yes()
    return world


def test_rules_adopted_by_a_version_with_fewer_keys_still_count(
    database: Any, shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent import rules, selectors, services
    from consent.policy.schema import ADDED_LATER

    earlier = rules.rulebook_of_tables(
        {
            file: {key: said for key, said in table.items() if key not in ADDED_LATER}
            for file, table in rules.shipped().tables.items()
        },
        kept=True,
    )
    with monkeypatch.context() as former:
        former.setattr(rules, "shipped", lambda: earlier)
        services.adopt_first_rules(at=datetime.now(UTC))
        world = in_gb()
        assert kept(world) == 60
        then = datetime.now(UTC)
    stored = [table for (table,) in database.sql('SELECT "table" FROM consent_adoptedrule')]
    assert not any(set(table) & set(ADDED_LATER) for table in stored)

    shipped.start()

    assert kept(world) == 60
    changed = [row.code for row in selectors.unadopted_rules()]
    assert changed == ["GB", "US-CT", "US-NY"], "who says something new under the new keys"
    assert selectors.verdicts_at(world.subject, at=then).allow() != {}
    adopt(*changed)
    assert rules.rulebook().digest == rules.shipped().digest


def test_a_first_start_records_the_shipped_rules_as_adopted_once(
    database: Any, shipped: Shipped
) -> None:
    from consent.rules import rulebook
    from consent.rules import shipped as files
    from portal.work import run_slice

    world = in_gb()
    before = rulebook().digest

    run_slice()
    run_slice()

    codes = {code for (code,) in database.sql("SELECT code FROM consent_adoptedrule")}
    assert codes == {"meta", "gates", *files().rows}
    assert database.sql("SELECT count(*) FROM audit_entry WHERE type = 'rules.adopted'") == [(1,)]
    assert rulebook().digest == before
    assert kept(world) == 60


def test_what_an_upgrade_tightens_acts_at_once_for_what_is_held_too(
    database: Any, shipped: Shipped, store: Path
) -> None:
    from retention import services as retention

    shipped.start()
    world = in_gb()
    agent = factories.make_agent(world.subject)
    factories.hand_in(agent, factories.make_policy(agent), secrets.token_bytes(9))

    shipped.say("GB", retention_cap_days=20)
    assert shipped.start() == 1

    assert kept(world) == 20
    assert retention.tighten_due() == 1
    assert database.sql("SELECT due_at - captured_until FROM retention_batch") == [
        (timedelta(days=20),)
    ]
    assert shipped.start() == 0, "a start with the same files changes nothing"


def test_a_place_that_comes_back_stricter_shortens_what_was_held_all_along(
    database: Any, shipped: Shipped, store: Path
) -> None:
    from retention import services as retention

    shipped.start()
    world = in_gb()
    agent = factories.make_agent(world.subject)
    factories.hand_in(agent, factories.make_policy(agent), secrets.token_bytes(9))
    terms = "SELECT due_at - captured_until FROM retention_batch"

    (shipped.folder / "GB.toml").rename(shipped.folder / "kept-apart")
    shipped.start()
    assert kept(world) is None
    assert retention.tighten_due() == 0, "a place nobody knows names no shorter term"
    (shipped.folder / "kept-apart").rename(shipped.folder / "GB.toml")
    shipped.say("GB", retention_cap_days=20)
    shipped.start()
    retention.tighten_due()

    assert database.sql(terms) == [(timedelta(days=20),)]


def test_what_an_upgrade_widens_waits_until_somebody_adopts_it(
    database: Any, shipped: Shipped
) -> None:
    from consent import selectors

    shipped.say("GB", retention_cap_days=20)
    shipped.start()
    world = in_gb()
    assert kept(world) == 20

    shipped.say("GB", retention_cap_days="none")
    shipped.start()

    assert kept(world) == 20
    assert [(row.code, row.loosens) for row in selectors.unadopted_rules()] == [
        ("GB", ("retention_cap_days",))
    ]
    assert [row.code for row in adopt("GB")] == ["GB"]
    assert kept(world) == 60
    assert selectors.unadopted_rules() == []
    assert adopt("GB") == []


def test_one_file_may_tighten_one_value_and_wait_with_another(
    database: Any, shipped: Shipped
) -> None:
    shipped.say("GB", retention_cap_days=20, acknowledgement_required=False)
    shipped.start()
    world = in_gb()

    shipped.say("GB", retention_cap_days="none", acknowledgement_required=True)
    shipped.start()

    assert kept(world) is None
    assert codes(world) == {"acknowledgement_missing"}
    from consent import services

    services.acknowledge_notice(subject=world.subject, notice=world.notice)
    assert kept(world) == 20


def codes(world: factories.World, at: datetime | None = None) -> set[str]:
    """The reasons against a click in the tracker."""
    from consent.policy.types import Signal

    world.subject.refresh_from_db()
    decision = factories.decision_for(
        world.subject,
        purpose="train-agents",
        app="tracker",
        signal=Signal.MOUSE_CLICK,
        at=at or datetime.now(UTC),
    )
    assert decision
    return set(decision.codes)


def test_between_start_and_first_tick_the_rules_of_the_document_decide(
    database: Any, shipped: Shipped
) -> None:
    from consent import rules, services

    shipped.start()
    world = in_gb()
    shipped.say("GB", retention_cap_days=20)

    rules.forget()

    assert kept(world) == 60, "rebuilt from the database: these files no longer say so"
    services.follow_rules(at=datetime.now(UTC))
    assert kept(world) == 20


def test_a_rulebook_nobody_knows_denies(database: Any, shipped: Shipped) -> None:
    from consent import rules
    from consent.models import CohortPolicy
    from consent.selectors import current_cohort_policy

    world = in_gb()
    assert world.subject.cohort
    newest = current_cohort_policy(world.subject.cohort)
    assert newest
    CohortPolicy.objects.create(
        cohort=newest.cohort,
        revision=newest.revision + 1,
        document={**newest.document, "rulebook": "f" * 64},
        sha256="f" * 64,
    )

    assert kept(world) is None
    assert codes(world) == {"unknown_jurisdiction"}
    assert rules.rulebook_of(None).rows == {}


def test_a_recorded_rulebook_that_does_not_match_its_digest_denies(
    database: Any, shipped: Shipped
) -> None:
    from consent import rules
    from consent.models import RecordedRulebook

    shipped.start()
    packs = RecordedRulebook.objects.create(
        digest="e" * 64, packs=[rules.to_json(rules.shipped().tables)]
    )

    assert rules.rulebook_of(packs.digest).rows == {}


def test_the_past_is_explained_by_the_rules_of_then(database: Any, shipped: Shipped) -> None:
    from consent import rules, selectors

    shipped.say("GB", retention_cap_days=20)
    shipped.start()
    world = in_gb()
    then = datetime.now(UTC)
    shipped.say("GB", retention_cap_days="none")
    shipped.start()
    adopt("GB")
    rules.forget()

    past = selectors.verdicts_at(world.subject, at=then)

    assert past.allow()["train-agents"]["tracker"]["mouse_click"] == 20
    assert not past.reconstructed
    assert kept(world) == 60


def test_a_new_place_waits_and_a_dropped_or_spoilt_one_denies_alone(
    database: Any, shipped: Shipped
) -> None:
    gb, us = in_gb(), None
    (shipped.folder / "US-TX.toml").rename(shipped.folder / "kept-apart")
    shipped.start()
    factories.close_all_gates(gb.purpose, "IE")
    (shipped.folder / "kept-apart").rename(shipped.folder / "US-TX.toml")
    us = factories.World(gb.purpose, gb.notice, gb.apps, gb.another_subject("US-TX"), "US-TX")
    shipped.start()
    factories.close_all_gates(gb.purpose, "US-TX")
    us.say_yes()
    ie = factories.World(gb.purpose, gb.notice, gb.apps, gb.another_subject("IE"), "IE")
    ie.say_yes()
    assert kept(us) is None
    assert codes(us) == {"unknown_jurisdiction"}
    adopt("US-TX")
    assert kept(us) == 60

    (shipped.folder / "GB.toml").unlink()
    (shipped.folder / "US.toml").write_text("this is no TOML = = =")
    shipped.start()

    assert [kept(world) for world in (gb, us, ie)] == [None, None, 60]
    assert codes(gb) == codes(us) == {"unknown_jurisdiction"}


def test_pending_law_has_no_effect_before_its_day(database: Any, shipped: Shipped) -> None:
    from consent import services

    day = TODAY + 3 * DAY
    shipped.start()
    world = in_gb()
    agent = factories.make_agent(world.subject)
    shipped.say("US-TX", status="pending", retention_cap_days=9)
    shipped.say("GB", effective_until=day)
    shipped.start()

    # The adopted file has no last day; the shipped one has: from then on it is a gap.
    assert kept(world, factories.midnight(day, "GB") - SECOND) == 60
    assert kept(world, factories.midnight(day, "GB")) is None
    last = services.issue_policy(agent=agent, at=factories.midnight(day, "GB") - SECOND).policy
    assert last.lease_until == factories.midnight(day, "GB")


def test_law_with_a_date_counts_from_that_instant_for_what_is_held_too(
    database: Any, shipped: Shipped, store: Path
) -> None:
    """A stricter child begins on a day; before it the parent alone counts."""
    from consent import services
    from consent.policy.clocks import first_midnight
    from retention import services as retention

    day = TODAY + 3 * DAY
    begins = first_midnight(["US-TX"], day)
    shipped.say("US-TX", effective_from=day, retention_cap_days=9)
    shipped.start()
    world = factories.make_world("US-TX")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    factories.hand_in(agent, factories.make_policy(agent), secrets.token_bytes(9))
    terms = "SELECT due_at - captured_until FROM retention_batch"

    assert kept(world, begins - SECOND) == 60
    assert kept(world, begins) == 9
    assert services.refresh_turned(at=begins) == 1
    retention.tighten_due()
    assert database.sql(terms) == [(timedelta(days=9),)]


def test_adopting_what_is_not_there_or_could_not_stand_is_refused(
    database: Any, shipped: Shipped
) -> None:
    from consent import exceptions

    (shipped.folder / "US-TX.toml").rename(shipped.folder / "kept-apart")
    shipped.say("US", retention_cap_days=5)
    for place in ("CA", "CO", "CT", "DE", "IL", "NY", "WA"):
        shipped.say(f"US-{place}", retention_cap_days=5)
    shipped.start()
    (shipped.folder / "kept-apart").rename(shipped.folder / "US-TX.toml")
    shipped.say("US", retention_cap_days="none")
    shipped.start()
    rows = database.sql("SELECT count(*) FROM consent_adoptedrule")

    with pytest.raises(exceptions.RulesUnknown):
        adopt("XX")
    # The new file keeps longer than the parent that was adopted.
    with pytest.raises(exceptions.RulesUnknown):
        adopt("US-TX")

    assert database.sql("SELECT count(*) FROM consent_adoptedrule") == rows
    assert [row.code for row in adopt("US-TX", "US")] == ["US-TX", "US"]


# --- the way back ------------------------------------------------------------------------------

AUTHOR, OTHER = UUID(int=11), UUID(int=12)


def propose_adoption(*codes: str) -> Any:
    """Adopt through four eyes."""
    from consent import services

    proposal = services.propose(
        kind="rules.adopt", payload={"codes": list(codes)}, proposed_by=AUTHOR
    )
    assert proposal.applied_at is None
    return agree(proposal)


def agree(proposal: Any) -> Any:
    from consent import services

    factories.make_officer(OTHER)
    return services.vote(proposal=proposal.uuid, voter=OTHER, vote="approve")


def go_back(proposal: Any) -> Any:
    from consent import services

    return services.revert_proposal(proposal=proposal.uuid, by=AUTHOR)


def test_going_back_on_an_adoption_acts_at_once_and_forth_again_waits(
    database: Any, shipped: Shipped
) -> None:
    from consent import selectors

    shipped.say("GB", retention_cap_days=20)
    shipped.start()
    world = in_gb()
    shipped.say("GB", retention_cap_days="none")
    shipped.start()
    adopted = propose_adoption("GB")
    assert kept(world) == 60

    back = go_back(adopted)

    assert back.tightens
    assert kept(world) == 20
    assert [row.code for row in selectors.unadopted_rules()] == ["GB"]
    assert agree(back).state == "applied"
    forth = go_back(back)
    assert forth.applied_at is None
    assert kept(world) == 20
    assert agree(forth).state == "applied"
    assert kept(world) == 60


def test_going_back_to_a_text_that_permits_more_waits_for_somebody_else(
    database: Any, shipped: Shipped
) -> None:
    from consent.services.changes import read_change

    shipped.say("GB", retention_cap_days=40)
    shipped.start()
    world = in_gb()
    shipped.say("GB", retention_cap_days=30)
    shipped.start()
    adopted = propose_adoption("GB")
    shipped.say("GB", retention_cap_days="none")
    shipped.start()
    assert kept(world) == 30

    back = go_back(adopted)

    assert back.applied_at is None
    assert not read_change(back.kind, back.payload).tightens(), "whoever is there to gain by it"
    assert kept(world) == 30
    assert agree(back).state == "applied"
    assert kept(world) == 40


def test_going_back_from_where_no_rules_have_begun_waits_for_somebody_else(
    database: Any, shipped: Shipped
) -> None:
    """By what is adopted alone neither the state's nor the country's rules are in force."""
    shipped.say("US", status="pending")
    shipped.start()
    shipped.say("US", status="in_force")
    shipped.say("US-TX", status="pending")
    shipped.start()
    adopted = propose_adoption("US-TX")

    back = go_back(adopted)

    assert not back.tightens
    assert back.applied_at is None


def test_going_back_on_a_new_place_denies_there_again(database: Any, shipped: Shipped) -> None:
    from consent import selectors

    (shipped.folder / "US-TX.toml").rename(shipped.folder / "kept-apart")
    shipped.start()
    gb = in_gb()
    (shipped.folder / "kept-apart").rename(shipped.folder / "US-TX.toml")
    shipped.start()
    factories.close_all_gates(gb.purpose, "US-TX")
    us = factories.World(gb.purpose, gb.notice, gb.apps, gb.another_subject("US-TX"), "US-TX")
    us.say_yes()
    adopted = propose_adoption("US-TX")
    assert kept(us) == 60

    back = go_back(adopted)

    assert back.tightens
    assert [kept(us), kept(gb)] == [None, 60]
    assert codes(us) == {"unknown_jurisdiction"}
    assert [row.loosens for row in selectors.unadopted_rules()] == [("everything",)]
    shipped.start()
    assert kept(us) is None, "a start finds that it is adopted no longer"
    agree(back)
    assert agree(go_back(back)).state == "applied"
    assert kept(us) == 60


def test_nobody_goes_back_to_what_others_could_not_stand_on(
    database: Any, shipped: Shipped
) -> None:
    from consent import exceptions
    from consent.rules import adopted_rulebook

    places = [file.stem for file in shipped.folder.glob("US-*.toml")]
    for place in ("US", *places):
        shipped.say(place, retention_cap_days=5)
    shipped.start()
    shipped.say("US", retention_cap_days="none")
    shipped.start()
    above = propose_adoption("US")
    shipped.say("US-TX", retention_cap_days=50)
    shipped.start()
    propose_adoption("US-TX")
    rows = database.sql("SELECT count(*) FROM consent_adoptedrule")

    with pytest.raises(exceptions.RulesUnknown, match="US-TX"):
        go_back(above)

    assert database.sql("SELECT count(*) FROM consent_adoptedrule") == rows
    standing = adopted_rulebook()
    assert standing
    assert {"US", *places} <= set(standing.rows)


def test_before_anything_was_adopted_there_is_nothing_to_go_back_to(
    database: Any, shipped: Shipped
) -> None:
    from consent import exceptions

    in_gb()
    adopted = propose_adoption("GB")

    with pytest.raises(exceptions.CannotRevert, match="Nothing had been adopted before"):
        go_back(adopted)


@pytest.mark.parametrize("codes", [["meta"], ["gates"], ["gates", "meta"]])
def test_of_what_all_places_share_the_first_adoption_says_why_nothing_leads_back(
    database: Any, shipped: Shipped, codes: list[str]
) -> None:
    """It changed nothing that counts, and without it no place could stand: nothing is offered."""
    from consent import exceptions, services

    world = in_gb()
    term = kept(world)
    adopted = propose_adoption(*codes)
    assert (adopted.state, kept(world)) == ("applied", term)

    with pytest.raises(exceptions.CannotRevert, match="nothing to take back"):
        services.revert_proposal(proposal=adopted.uuid, by=AUTHOR, instead=True)

    back = services.way_back(adopted)
    assert (back.change, back.exact) == (None, False)
    assert kept(world) == term


def test_once_something_was_adopted_what_all_places_share_leads_back(
    database: Any, shipped: Shipped
) -> None:
    from consent import services

    shipped.start()
    in_gb()
    standing = database.sql("SELECT sha256 FROM consent_adoptedrule WHERE code = 'meta'")
    shipped.say("meta", review_grace_days=1)
    shipped.start()
    adopted = propose_adoption("meta")

    back = services.way_back(adopted)

    assert back.exact
    assert back.change == (
        "rules.adopt",
        {"codes": ["meta"], "earlier": [["meta", standing[0][0]]]},
    )


def test_what_was_adopted_first_can_be_adopted_no_longer_which_denies(
    database: Any, shipped: Shipped
) -> None:
    from consent import services

    world = in_gb()
    assert kept(world)
    adopted = propose_adoption("GB")
    assert kept(world)

    instead = services.revert_proposal(proposal=adopted.uuid, by=AUTHOR, instead=True)

    assert (instead.tightens, instead.applied_at is not None) == (True, True)
    assert kept(world) is None
    assert services.revert_proposal(proposal=adopted.uuid, by=AUTHOR, instead=True) == instead


def test_a_review_that_lapsed_denies_only_after_the_grace(database: Any, shipped: Shipped) -> None:
    from consent import services
    from consent.rules import rulebook

    shipped.say("meta", review_by=TODAY + 200 * DAY)
    shipped.say("GB", review_by=TODAY + 100 * DAY)
    shipped.start()
    world = in_gb()
    review = TODAY + 100 * DAY
    grace = timedelta(days=rulebook().meta.review_grace_days)

    denies_from = review + grace + DAY
    assert kept(world, factories.midnight(denies_from, "GB") - SECOND) == 60
    assert kept(world, factories.midnight(denies_from, "GB")) is None
    agent = factories.make_agent(world.subject)
    last = services.issue_policy(
        agent=agent, at=factories.midnight(denies_from, "GB") - SECOND
    ).policy
    assert last.lease_until == factories.midnight(denies_from, "GB")


def test_nothing_is_adopted_without_its_entry(
    database: Any, shipped: Shipped, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import IntegrityError

    from audit import ledger
    from consent import services

    monkeypatch.setattr(ledger, "append", lambda *_, **__: 0)
    with pytest.raises(IntegrityError):
        services.adopt_first_rules(at=datetime.now(UTC))

    assert database.sql("SELECT count(*) FROM consent_adoptedrule") == [(0,)]


# --- what those see who vote -------------------------------------------------------------------


def test_who_votes_sees_each_value_before_and_after_and_what_it_loosens(
    database: Any, shipped: Shipped
) -> None:
    from consent import selectors, services

    shipped.start()
    shipped.say("US-NY", acknowledgement_required=False, notice_days=14)
    shipped.start()
    proposal = services.propose(
        kind="rules.adopt", payload={"codes": ["US-NY"]}, proposed_by=AUTHOR
    )

    (change,) = selectors.proposal_view(proposal)["rules"]

    assert change.code == "US-NY"
    assert {(k.key, k.before, k.after, k.loosens) for k in change.keys} == {
        ("acknowledgement_required", True, False, True),
        ("notice_days", 0, 14, False),
    }
    shipped.say("US-NY", notice_days=0)
    shipped.start()
    (later,) = selectors.proposal_view(proposal)["rules"]
    assert later.keys is None, "what was rehearsed is not here any more"
    assert (later.before, later.after) == (change.before, change.after)


def test_an_adoption_and_its_way_back_show_their_values_for_good(
    database: Any, shipped: Shipped
) -> None:
    from consent import selectors

    shipped.start()
    shipped.say("US-NY", acknowledgement_required=False)
    shipped.start()
    done = propose_adoption("US-NY")
    back = go_back(done)
    shipped.say("US-NY", acknowledgement_required=True, notice_days=3)
    shipped.start()

    seen = [selectors.proposal_view(one)["rules"] for one in (done, back)]

    assert [[(k.before, k.after, k.loosens) for c in found for k in c.keys] for found in seen] == [
        [(True, False, True)],
        [(False, True, False)],
    ]


def test_the_page_of_an_adoption_says_it_in_the_words_of_the_rules(
    database: Any, shipped: Shipped
) -> None:
    from consent import services
    from tests.integration.test_pages import signed_in

    shipped.start()
    shipped.say("US-NY", acknowledgement_required=False, restricted_signals="[]", notice_days=14)
    shipped.start()
    officer = signed_in("privacy_officer")
    proposal = services.propose(
        kind="rules.adopt", payload={"codes": ["US-NY"]}, proposed_by=AUTHOR
    )

    page = officer.get(f"/privacy/changes/{proposal.uuid}/").content.decode()
    words = " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]).split())

    assert (
        "New York (US-NY): The employee must confirm the notice Loosens Before yes After no"
    ) in words
    assert "New York (US-NY): Notice before the first recording Before none After 14 days" in words
    assert "Only with a signed exception Loosens Taken away Message texts" in words
    assert "Us-ny" not in words


def test_every_key_of_a_file_has_words() -> None:
    from consent.policy.rulebook import read_rulebook
    from portal.pages.changes.rulechanges import FILE_LABELS, key_label
    from portal.pages.rulewords import LABELS
    from portal.templatetags.words import plain

    rules = read_rulebook()
    keys = {key for name, table in rules.tables.items() if name != "gates.toml" for key in table}
    orders = {key for key in keys if key.startswith(("order_", "lowest_", "unknown_"))}

    silent = {key for key in keys - orders if key_label(key, rules) == plain(key)}
    assert silent - {*LABELS, *FILE_LABELS} == {"code"}
