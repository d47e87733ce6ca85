"""Agreements: caps for the people of their places and sites, until their last day, or replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.policy.types import Signal
from tests import factories

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def agree(code: str, **differs: Any) -> Any:
    from consent import services
    from consent.models import Agreement

    values = {
        "code": code,
        "title": "Agreement",
        "parties": "both",
        "jurisdictions": ["IE"],
        "valid_from": factories.LONG_AGO,
        "document_sha256": "a" * 64,
        **differs,
    }
    return services.record_agreement(agreement=Agreement(**values), actor=factories.OFFICER)


def allowed(subject: Any, at: datetime) -> set[str]:
    """The apps in which anything is allowed."""
    from consent import selectors

    subject.refresh_from_db()
    return {item["app"] for item in selectors.verdicts_for(subject, at=at).allowed()}


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world("IE")
    world.say_yes()
    return world


def now() -> datetime:
    return datetime.now(UTC)


def test_an_agreement_caps_apps_signals_and_days(world: factories.World) -> None:
    from consent import selectors

    agree("A", apps=["tracker"], signals=["scroll"], retention_cap_days=5)

    verdicts = selectors.verdicts_for(world.subject, at=now())
    assert verdicts.allow() == {"train-agents": {"tracker": {"scroll": 5}}}
    denied = next(p for p in verdicts.pairs if p.app == "sheet" and p.signal == "scroll")
    assert denied.decision.codes == ("agreement_does_not_cover",)


def work_at(subject: Any, site: str) -> None:
    from consent import services

    services.record_fact(
        subject=subject,
        kind="site",
        value=site,
        valid_from=TODAY,
        source="test",
        actor=factories.OFFICER,
    )


def test_where_agreements_name_sites_only_nothing_is_agreed_elsewhere(
    world: factories.World,
) -> None:
    from consent import selectors

    agree("A", apps=["tracker"], sites=["Cork"])
    for site in (None, "Dublin"):
        if site:
            work_at(world.subject, site)
        assert not allowed(world.subject, now())
        found = selectors.explain(
            world.subject, purpose="train-agents", app="tracker", signal=Signal.SCROLL, at=now()
        )
        (answer,) = found.answers
        assert answer.decision.codes == ("agreement_does_not_cover",)
        assert [ground.code for ground in answer.steps[0].grounds] == ["A"]

    work_at(world.subject, "Cork")
    assert allowed(world.subject, now()) == {"tracker"}

    agree("B", sites=["Dublin"], completes=True)
    work_at(world.subject, "Dublin")
    assert allowed(world.subject, now()) == {"tracker", "sheet"}
    agree("C", apps=["sheet"], completes=True)
    work_at(world.subject, "Galway")
    assert allowed(world.subject, now()) == {"sheet"}, "one for everybody is about them, too"
    assert allowed(world.another_subject("FR"), now()) == set()


@pytest.mark.parametrize("spelt", ["cork", "  CORK ", "Cork"])
def test_a_site_is_the_same_however_it_is_written(world: factories.World, spelt: str) -> None:
    agree("A", apps=["tracker"], sites=["Cork"])
    agree("B")

    work_at(world.subject, spelt)

    assert allowed(world.subject, now()) == {"tracker"}


def test_an_agreement_with_several_sites_caps_people_at_each_of_them(
    world: factories.World,
) -> None:
    agree("A", apps=["tracker"], sites=["Cork", "Galway"])

    for site in ("Cork", "Galway"):
        work_at(world.subject, site)
        assert allowed(world.subject, now()) == {"tracker"}


def test_the_paper_of_an_agreement_with_sites_closes_no_gate_elsewhere(
    world: factories.World,
) -> None:
    """All gates of this world were closed by the document of the agreement."""
    from consent import selectors

    agree("ALL")
    agree("A", sites=["Cork"], document_sha256="0" * 64)

    assert not allowed(world.subject, now())
    work_at(world.subject, "Dublin")
    assert not allowed(world.subject, now())
    verdicts = selectors.verdicts_for(world.subject, at=now())
    assert all("gates_open" in pair.decision.codes for pair in verdicts.pairs)
    work_at(world.subject, "Cork")
    assert allowed(world.subject, now()) == {"tracker", "sheet"}
    work_at(world.subject, "Dublin")
    assert not allowed(world.subject, now())

    agree("B", sites=["Dublin"], document_sha256="0" * 64)
    assert not allowed(world.subject, now()), "by one more paper nothing is evidence"
    agree("C", sites=["Dublin"], document_sha256="0" * 64, completes=True)
    assert allowed(world.subject, now()) == {"tracker", "sheet"}


def test_the_paper_of_an_agreement_for_everybody_closes_gates_at_every_site(
    world: factories.World,
) -> None:
    agree("A", sites=["Cork"], document_sha256="0" * 64)
    agree("B", jurisdictions=["GB"], document_sha256="0" * 64)
    work_at(world.subject, "Dublin")
    assert not allowed(world.subject, now())

    agree("C", document_sha256="0" * 64, completes=True)
    assert allowed(world.subject, now()) == {"tracker", "sheet"}


def gates_open(world: factories.World, at: datetime) -> bool:
    decision = factories.decision_for(
        world.subject, purpose="train-agents", app="tracker", signal=Signal.SCROLL, at=at
    )
    assert decision
    return "gates_open" in decision.codes


def test_the_paper_of_an_agreement_is_evidence_only_while_it_is_in_force(
    world: factories.World,
) -> None:
    """All gates of this world were closed by the document of the agreement, long before it."""
    from consent import selectors, services

    begins, ends = factories.midnight(TODAY + 2 * DAY), factories.midnight(TODAY + 5 * DAY)
    first = agree(
        "A", valid_from=TODAY + 2 * DAY, valid_until=TODAY + 5 * DAY, document_sha256="0" * 64
    )
    agent = factories.make_agent(world.subject)
    told = [(at, gates_open(world, at)) for at in (begins - SECOND, begins, ends - SECOND, ends)]
    assert [is_open for _, is_open in told] == [True, False, False, True]
    assert services.issue_policy(agent=agent, at=begins - SECOND).policy.lease_until == begins
    (answer,) = selectors.explain(
        world.subject, purpose="train-agents", app="tracker", signal=Signal.SCROLL, at=now()
    ).answers
    papers = {g.counts for step in answer.steps for g in step.grounds if g.kind == "evidence"}
    assert papers == {"not_yet"}

    agree("B", valid_from=TODAY + 4 * DAY, replaces=first)
    replaced = factories.midnight(TODAY + 4 * DAY)
    assert not gates_open(world, replaced - SECOND)
    assert gates_open(world, replaced)


def test_a_replacement_for_fewer_leaves_the_others_bound(world: factories.World) -> None:
    people = {site: world.another_subject() for site in ("Cork", "Dublin")}
    people["nowhere"] = world.subject
    for site, subject in people.items():
        if site != "nowhere":
            work_at(subject, site)
        world.subject = subject
        world.say_yes()

    def who_gets() -> dict[str, set[str]]:
        return {site: allowed(subject, now()) for site, subject in people.items()}

    first = agree("A", apps=["tracker"])
    second = agree("B", apps=["sheet"], sites=["cork"], replaces=first)
    assert who_gets() == {"Cork": {"sheet"}, "Dublin": {"tracker"}, "nowhere": {"tracker"}}

    third = agree("C", sites=["Dublin"], replaces=second)
    both = {"tracker", "sheet"}
    assert who_gets() == {"Cork": {"sheet"}, "Dublin": both, "nowhere": {"tracker"}}

    agree("D", replaces=third)
    assert who_gets() == dict.fromkeys(people, both)


def test_an_agreement_of_the_place_above_binds_below(world: factories.World) -> None:
    agree("A", apps=["tracker"], jurisdictions=["EU"])

    assert allowed(world.subject, now()) == {"tracker"}


def test_what_an_agreement_covers_stops_with_its_last_day(world: factories.World) -> None:
    from consent import selectors, services

    agent = factories.make_agent(world.subject)
    ends = factories.midnight(TODAY + 3 * DAY)
    agree("A", valid_until=TODAY + 3 * DAY)

    assert allowed(world.subject, ends - SECOND)
    assert not allowed(world.subject, ends)
    reasons = {
        pair.decision.codes
        for pair in selectors.verdicts_for(world.subject, at=ends).pairs
        if pair.signal in {"scroll", "mouse_click"}
    }
    assert reasons == {("agreement_does_not_cover",)}
    last = services.issue_policy(agent=agent, at=ends - 2 * SECOND).policy
    assert last.allow
    assert last.lease_until == ends
    assert services.issue_policy(agent=agent, at=ends).policy.allow == {}


def test_a_replaced_agreement_binds_no_more_from_the_new_ones_first_day(
    world: factories.World,
) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    old = agree("A", apps=["tracker"], valid_until=TODAY + 3 * DAY)
    agree("B", apps=["sheet"], valid_from=TODAY + 5 * DAY, replaces=old)
    ends, begins = factories.midnight(TODAY + 3 * DAY), factories.midnight(TODAY + 5 * DAY)

    assert allowed(world.subject, ends - SECOND) == {"tracker"}
    assert allowed(world.subject, ends) == set()
    assert allowed(world.subject, begins - SECOND) == set()
    assert allowed(world.subject, begins) == {"sheet"}
    assert services.issue_policy(agent=agent, at=begins - SECOND).policy.lease_until == begins


def test_a_replacement_elsewhere_frees_nobody(world: factories.World) -> None:

    old = agree("A", apps=["tracker"])
    agree("B", jurisdictions=["GB"], valid_from=TODAY + DAY, replaces=old)

    assert allowed(world.subject, factories.midnight(TODAY + DAY)) == {"tracker"}


def test_a_replacement_for_the_place_above_ends_the_lease_of_those_it_frees(
    world: factories.World,
) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    old = agree("A", apps=["tracker"])
    agree("B", jurisdictions=["EU"], valid_from=TODAY + DAY, replaces=old)
    begins = factories.midnight(TODAY + DAY)

    assert services.issue_policy(agent=agent, at=begins - SECOND).policy.lease_until == begins
    assert allowed(world.subject, begins) == {"tracker", "sheet"}


def test_an_agreement_for_later_says_nothing_before_its_first_day(world: factories.World) -> None:

    agree("A", apps=["tracker"], valid_from=TODAY + DAY)

    assert allowed(world.subject, factories.midnight(TODAY + DAY) - SECOND) == {"tracker", "sheet"}
    assert allowed(world.subject, factories.midnight(TODAY + DAY)) == {"tracker"}


def test_no_agreement_stands_without_its_entry(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    def fail(*_: Any, **__: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger, "append", fail)
    with pytest.raises(ZeroDivisionError):
        agree("A", apps=["tracker"])

    assert database.sql("SELECT count(*) FROM consent_agreement") == [(0,)]
    assert allowed(world.subject, now()) == {"tracker", "sheet"}


def test_an_agreement_about_other_purposes_lets_nothing_of_this_one_through(
    world: factories.World,
) -> None:
    from consent import selectors

    agree("A", purposes=["another"])
    assert not allowed(world.subject, now())
    found = selectors.explain(
        world.subject, purpose="train-agents", app="tracker", signal=Signal.MOUSE_CLICK, at=now()
    )
    (answer,) = found.answers
    assert answer.decision.codes == ("agreement_does_not_cover",)
    assert [ground.code for ground in answer.steps[0].grounds] == ["A"]
    assert "A" not in [ground.code for ground in answer.stands]

    agree("B", purposes=["train-agents"], valid_from=TODAY + DAY, completes=True)
    assert not allowed(world.subject, factories.midnight(TODAY + DAY) - SECOND)
    assert allowed(world.subject, factories.midnight(TODAY + DAY)) == {"tracker", "sheet"}
    elsewhere = world.another_subject("FR")
    verdicts = selectors.verdicts_for(elsewhere, at=now())
    assert not any("agreement_does_not_cover" in pair.decision.codes for pair in verdicts.pairs)


def test_an_agreement_that_speaks_for_one_place_does_not_speak_for_the_other(
    world: factories.World,
) -> None:
    """One about Ireland and the Union names other purposes; only for Ireland there is another."""
    agree("A", jurisdictions=["IE", "EU"], purposes=["another"])
    agree("B", jurisdictions=["IE"], purposes=["train-agents"], completes=True)
    assert not allowed(world.subject, now())

    agree("C", jurisdictions=["EU"], purposes=["train-agents"], completes=True)
    assert allowed(world.subject, now()) == {"tracker", "sheet"}


PAPERS = st.lists(
    st.fixed_dictionaries(
        {
            "jurisdictions": st.sampled_from(
                [["IE"], ["FR"], ["EU"], ["IE", "FR"], ["IE", "EU"], ["GB"]]
            ),
            "sites": st.sampled_from([[], [], ["Cork"]]),
            "purposes": st.sampled_from([[], [], ["train-agents"], ["another"]]),
            "apps": st.sampled_from([[], [], ["tracker"], ["sheet"]]),
            "signals": st.sampled_from([[], ["scroll"], ["scroll", "key_meta"]]),
            "completes": st.booleans(),
        }
    ),
    max_size=3,
)
PEOPLE = {"cork": ({"IE", "EU"}, "Cork"), "dublin": ({"IE", "EU"}, ""), "paris": ({"FR", "EU"}, "")}


def bound_by(papers: list[dict[str, Any]], whom: str, signal: str) -> bool:
    """Say by a model of its own whether papers keep a signal in the tracker from somebody."""
    places, site = PEOPLE[whom]
    there = [paper for paper in papers if places & set(paper["jurisdictions"])]
    theirs = [paper for paper in there if not paper["sites"] or site in paper["sites"]]
    speaking = [paper for paper in theirs if paper["purposes"] != ["another"]]
    if any(paper["apps"] == ["sheet"] for paper in speaking):
        return True
    if any(paper["signals"] and signal not in paper["signals"] for paper in speaking):
        return True
    return any(
        not any(
            place in other["jurisdictions"] and (other["completes"] or papers.index(other) < n)
            for other in speaking
        )
        for n, paper in enumerate(papers)
        if paper in there and paper not in speaking
        for place in places & set(paper["jurisdictions"])
    )


def test_against_a_model_whom_agreements_bind_and_what_they_refuse_for_all(database: Any) -> None:
    """What is decided for each person, and that only what nobody may have is refused."""
    from django.db import transaction

    from consent import exceptions, services

    world = factories.make_world("IE")
    people = {"cork": world.subject, "dublin": world.another_subject()}
    people["paris"] = world.another_subject("FR")
    work_at(people["cork"], "Cork")
    ask = {"purpose": "train-agents", "app": "tracker", "add": ["key_meta"], "remove": []}
    numbers = count()

    @settings(max_examples=25, deadline=None)
    @given(papers=PAPERS)
    def agrees(papers: list[dict[str, Any]]) -> None:
        with transaction.atomic():
            judge(papers)
            transaction.set_rollback(True)

    def judge(papers: list[dict[str, Any]]) -> None:
        for paper in papers:
            agree(f"A-{next(numbers)}", **paper)
        for whom, subject in people.items():
            subject.refresh_from_db()
            decision = factories.decision_for(
                subject, purpose="train-agents", app="tracker", signal=Signal.SCROLL, at=now()
            )
            assert decision
            told = "agreement_does_not_cover" in decision.codes
            assert told is bound_by(papers, whom, "scroll"), whom
        refused = all(bound_by(papers, whom, "key_meta") for whom in people)
        try:
            proposal = services.propose(
                kind="allowlist.change", payload=ask, proposed_by=UUID(int=5)
            )
        except exceptions.BeyondAgreement:
            assert refused
        else:
            assert not refused
            services.withdraw_proposal(proposal=proposal.uuid, by=UUID(int=5))

    agrees()


# --- agreements of colleagues ------------------------------------------------------------------


def test_the_agreement_of_colleagues_binds_who_sees_their_words(database: Any) -> None:
    """Somebody in Ireland, an app with words of colleagues in Germany and an agreement there."""
    from consent import selectors, services
    from consent.selectors.explain import as_json

    world = factories.make_world("IE")
    text = [Signal.WINDOW_TITLE, Signal.MOUSE_CLICK]
    services.allow_in_purpose(
        purpose=world.purpose, app=world.apps["sheet"], signals=text, actor=factories.OFFICER
    )
    described = {"counterparties": ["DE"], "counterparties_masked": True}
    services.change_app(
        app=world.apps["sheet"],
        fields={"data_of": "colleagues", **described},
        actor=factories.OFFICER,
    )
    factories.close_all_gates(world.purpose, "DE")
    world.say_yes(*(("sheet", signal) for signal in text))

    def against(signal: Signal) -> set[str]:
        found = factories.decision_for(
            world.subject, purpose="train-agents", app="sheet", signal=signal, at=datetime.now(UTC)
        )
        return {code for code in found.codes if code.startswith("agreement")} if found else set()

    assert against(Signal.WINDOW_TITLE) == set()
    agree("BV-DE", jurisdictions=["DE"], sites=["Munich"], signals=["mouse_click"])

    assert against(Signal.WINDOW_TITLE) == {"agreement_does_not_cover"}
    assert against(Signal.MOUSE_CLICK) == set()
    found = as_json(
        selectors.explain(
            world.subject,
            purpose="train-agents",
            app="sheet",
            signal=Signal.WINDOW_TITLE,
            at=datetime.now(UTC),
        )
    )
    steps = found["answers"][0]["explanations"]
    (step,) = [one for one in steps if one["code"] == "agreement_does_not_cover"]
    assert [ground["code"] for ground in step["grounds"]] == ["BV-DE"]

    services.change_app(
        app=world.apps["sheet"], fields={"data_of": "customers"}, actor=factories.OFFICER
    )
    assert against(Signal.WINDOW_TITLE) == set()
