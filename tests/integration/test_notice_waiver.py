"""Agreeing to a shorter notice: an act of its own, where the law allows it, taken back freely."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from consent.policy.types import Signal
from tests import factories
from tests.integration.test_notice_period import DAY, fact, joined
from tests.integration.test_pages import signed_in

TODAY = datetime.now(UTC).date()
PAGE = "/you/purposes/train-agents/"
AGREE, WAIT = f"{PAGE}earlier/", f"{PAGE}earlier/stop/"
RUNNING = "notice_period_running"
UNENTERED = (
    "INSERT INTO consent_noticewaiver (subject_id, notice_id, agreed, told_on)"
    " SELECT subject_id, notice_id, agreed, told_on FROM consent_noticewaiver"
)
"""What the ledger would know nothing of."""


@pytest.fixture
def world(database: Any) -> factories.World:
    """Somebody who came to Sydney yesterday, said yes, and waits."""
    return waits("AU-NSW")


def waits(place: str) -> factories.World:
    world = factories.make_world(place)
    if place.startswith("AU-"):  # counsel signs off the place above it, too
        factories.close_all_gates(world.purpose, "AU")
    world.subject = joined(place, TODAY - DAY)
    world.say_yes()
    return world


def agree(world: factories.World) -> Any:
    from consent import services

    return services.waive_notice(subject=world.subject, notice=world.notice)


def take_back(world: factories.World) -> bool:
    from consent import services

    return services.withdraw_notice_waiver(subject=world.subject, purpose=world.purpose)


def codes(world: factories.World, at: datetime | None = None) -> tuple[str, ...]:
    """What stands against clicks in the tracker."""
    from consent import selectors
    from consent.models import Subject

    subject = Subject.objects.get(pk=world.subject.pk)
    verdicts = selectors.verdicts_at(subject, at=at or datetime.now(UTC))
    found = selectors.decisions.about(verdicts, "tracker", Signal.MOUSE_CLICK)
    said: tuple[str, ...] = found["train-agents"].codes
    return said


def entries(database: Any) -> list[str]:
    rows = database.sql("SELECT type FROM audit_entry WHERE type LIKE 'notice.waive%' ORDER BY id")
    return [kind for (kind,) in rows]


# --- what it does --------------------------------------------------------------------------------


def test_who_agrees_waits_no_longer_and_whoever_takes_it_back_waits_again(
    world: factories.World, database: Any
) -> None:
    assert codes(world) == (RUNNING,)

    agree(world)
    assert codes(world) == ()

    assert take_back(world)
    assert codes(world) == (RUNNING,)
    assert entries(database) == ["notice.waived", "notice.waiver_withdrawn"]


def test_doing_either_twice_leaves_one_row(world: factories.World, database: Any) -> None:
    assert agree(world) == agree(world)
    assert take_back(world)
    assert not take_back(world)

    assert database.sql("SELECT agreed FROM consent_noticewaiver ORDER BY id") == [
        (True,),
        (False,),
    ]
    assert len(entries(database)) == 2


def test_policies_are_issued_anew_at_once(world: factories.World) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    before = services.issue_policy(agent=agent).policy
    assert before.allow == {}
    assert factories.policy_in_force(agent, datetime.now(UTC)) == before

    agree(world)
    assert factories.policy_in_force(agent, datetime.now(UTC)) is None
    after = services.issue_policy(agent=agent).policy
    assert after.allow["train-agents"]

    take_back(world)
    assert factories.policy_in_force(agent, datetime.now(UTC)) is None
    assert services.issue_policy(agent=agent).policy.allow == {}


def test_a_waiting_answer_is_told_in_the_transaction(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent import hooks

    told: list[int] = []
    monkeypatch.setattr(hooks, "_policy_changing", [lambda subject, **_: told.append(subject)])

    agree(world)
    take_back(world)

    assert told == [world.subject.pk] * 2


def test_the_period_ends_by_itself_all_the_same(world: factories.World) -> None:
    from consent import selectors

    period = selectors.waiting(world.subject, at=datetime.now(UTC))["train-agents"]
    assert (period.waivable, period.waived, period.days) == (True, False, 14)

    last = factories.midnight(period.over, "AU-NSW")
    assert codes(world, last - timedelta(seconds=1)) == (RUNNING,)
    assert codes(world, last) == ()
    assert selectors.waiting(world.subject, at=last) == {}


# --- who may, and what about ---------------------------------------------------------------------


def refused(world: factories.World) -> str:
    from consent.exceptions import ConsentError

    with pytest.raises(ConsentError) as refusal:
        agree(world)
    return refusal.value.code


def test_where_the_law_lets_nobody_agree_it_is_refused(database: Any) -> None:
    world = waits("PL")

    assert codes(world) == (RUNNING,)
    assert refused(world) == "notice_not_waivable"
    assert entries(database) == []


def test_one_place_that_does_not_let_people_agree_is_enough(world: factories.World) -> None:
    factories.close_all_gates(world.purpose, "PL")
    agree(world)
    assert codes(world) == ()

    fact(world.subject, "residence", "PL", TODAY - DAY)
    world.subject.refresh_from_db()

    assert codes(world) == (RUNNING,)
    assert refused(world) == "notice_not_waivable"


def test_without_a_period_there_is_nothing_to_agree_to(world: factories.World) -> None:
    world.subject = world.another_subject()  # known there for years
    world.say_yes()

    assert codes(world) == ()
    assert refused(world) == "notice_not_waivable"


def test_it_takes_a_yes_first(world: factories.World) -> None:
    world.subject = joined("AU-NSW", TODAY - DAY)

    assert refused(world) == "notice_not_waivable"


def test_a_newer_notice_needs_a_new_one(world: factories.World) -> None:
    from consent import services

    agree(world)
    newer = services.publish_notice(
        purpose=world.purpose,
        texts={"en": ("About", factories.sections("other"))},
        actor=factories.OFFICER,
    )
    assert refused(world) == "notice_outdated"
    world.notice = newer
    assert refused(world) == "notice_not_waivable", "no yes to this one yet"
    world.say_yes()
    assert codes(world) == (RUNNING,)

    agree(world)
    assert codes(world) == ()


def test_another_period_needs_a_new_one(world: factories.World) -> None:
    """Who moves comes under a law that they have not agreed about, and begins to wait anew."""
    factories.close_all_gates(world.purpose, "AU-ACT")
    agree(world)
    fact(world.subject, "work_location", "AU-ACT", TODAY)
    world.subject.refresh_from_db()
    assert codes(world) == (RUNNING,)

    agree(world)
    assert codes(world) == ()


@pytest.mark.parametrize("ends", ["withdraw", "refuse", "defer", "revoke"])
def test_it_ends_with_the_yes_and_a_new_one_waits(
    world: factories.World, database: Any, ends: str
) -> None:
    from consent import services
    from consent.services import decisions

    agree(world)
    about = {"subject": world.subject, "purpose": "train-agents"}
    if ends == "withdraw":
        services.withdraw_consent(**about)
    elif ends == "revoke":
        decisions.revoke_consent(**about, reason="departed", actor=factories.OFFICER)
    else:
        services.decline_consent(
            **about, notice=world.notice, language="en", deferred=ends == "defer"
        )
    assert entries(database) == ["notice.waived", "notice.waiver_withdrawn"]

    world.say_yes()
    assert codes(world) == (RUNNING,)


def test_choosing_otherwise_does_not_end_it(world: factories.World) -> None:
    agree(world)
    world.say_yes(("tracker", Signal.MOUSE_CLICK))

    assert codes(world) == ()


# --- what was captured ---------------------------------------------------------------------------


def announced(agent: Any, policy: Any, **differs: Any) -> tuple[str, list[str]]:
    from retention import services as retention

    manifest = factories.manifest_for(policy, b"x", **differs)
    admission = retention.announce_batch(agent=agent, manifest=manifest)
    return admission.state, admission.reasons


def test_what_was_captured_before_it_stays_refused(world: factories.World) -> None:
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)

    agree(world)

    assert announced(agent, policy) == ("refused", ["app_not_allowed"])


def test_what_was_captured_between_is_let_in_and_nothing_after(world: factories.World) -> None:
    """Under one lease, by a machine that has not heard that it was taken back."""
    from consent import services

    now = datetime.now(UTC).replace(microsecond=0)
    minute = timedelta(minutes=1)
    with time_machine.travel(now - 6 * minute, tick=False):
        agree(world)
        agent = factories.make_agent(world.subject)
    policy = services.issue_policy(agent=agent, at=now - 5 * minute).policy
    with time_machine.travel(now - 3 * minute, tick=False):
        take_back(world)

    def taken(begins: int, ends: int) -> tuple[str, list[str]]:
        return announced(
            agent, policy, captured_from=now - begins * minute, captured_until=now - ends * minute
        )

    assert taken(5, 4) == ("awaiting_bytes", [])
    assert taken(4, 2) == ("refused", ["notice_waiver_withdrawn"])
    assert taken(2, 1) == ("refused", ["notice_waiver_withdrawn"])

    with time_machine.travel(now - 2 * minute, tick=False):
        agree(world)
    assert taken(2, 1) == ("awaiting_bytes", [])
    assert taken(4, 3) == ("refused", ["notice_waiver_withdrawn"])


def test_others_are_told_no_more_than_of_any_choice() -> None:
    from retention.services.judgement import told_to_others

    assert told_to_others(["notice_waiver_withdrawn"]) == told_to_others(["paused"])


# --- whatever happens ----------------------------------------------------------------------------


def test_it_is_a_fold_of_what_was_said_now_and_about_the_past(database: Any) -> None:
    from consent import services
    from consent.exceptions import NoticeNotWaivable

    world = waits("AU-NSW")

    class Story(RuleBasedStateMachine):
        """What the person says, in any order; each answer is asked for again at the end."""

        def __init__(self) -> None:
            super().__init__()
            self.world = factories.World(
                world.purpose, world.notice, world.apps, joined("AU-NSW", TODAY - DAY), "AU-NSW"
            )
            self.yes = self.agreed = self.paused = False
            self.answers: list[tuple[datetime, tuple[str, ...]]] = []

        @rule()
        def say_yes(self) -> None:
            self.world.say_yes(at=datetime.now(UTC))
            self.yes = True

        @rule()
        def withdraw(self) -> None:
            services.withdraw_everything(subject=self.world.subject)
            self.yes = self.agreed = False

        @rule()
        def agree(self) -> None:
            if self.yes:
                agree(self.world)
                self.agreed = True
            else:
                with pytest.raises(NoticeNotWaivable):
                    agree(self.world)

        @rule()
        def take_back(self) -> None:
            assert take_back(self.world) is self.agreed
            self.agreed = False

        @rule()
        def pause_or_resume(self) -> None:
            if self.paused:
                services.resume_capture(subject=self.world.subject)
            else:
                services.pause_capture(subject=self.world.subject)
            self.paused = not self.paused

        @invariant()
        def both_are_needed(self) -> None:
            now = datetime.now(UTC)
            found = codes(self.world, now + timedelta(seconds=1))
            assert (not found) is (self.yes and self.agreed and not self.paused)
            assert (RUNNING in found) is not self.agreed
            self.answers.append((datetime.now(UTC), found))

        def teardown(self) -> None:
            for at, found in self.answers:
                assert codes(self.world, at) == found

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=12,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_without_its_entry_nothing_is_changed(
    world: factories.World, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    from audit import ledger

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no ledger")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", fails)
        with pytest.raises(RuntimeError):
            agree(world)
    assert codes(world) == (RUNNING,)

    agree(world)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", fails)
        with pytest.raises(RuntimeError):
            take_back(world)
    assert codes(world) == ()


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_noticewaiver SET agreed = false",
        "DELETE FROM consent_noticewaiver",
        "TRUNCATE consent_noticewaiver",
        UNENTERED,
    ],
)
def test_the_database_itself_refuses(
    world: factories.World, database: Any, statement: str, role: str
) -> None:
    agree(world)
    before = database.sql("SELECT * FROM consent_noticewaiver")

    with pytest.raises(psycopg.Error):
        database.sql(statement, role=role)

    assert database.sql("SELECT * FROM consent_noticewaiver") == before


# --- what is told --------------------------------------------------------------------------------


def explained(world: factories.World, at: datetime) -> dict[str, Any]:
    from consent.selectors import explain
    from consent.selectors.explain import as_json

    found = explain(
        world.subject, purpose="train-agents", app="tracker", signal=Signal.MOUSE_CLICK, at=at
    )
    told: dict[str, Any] = json.loads(json.dumps(as_json(found)))["answers"][0]
    return told


def kinds(grounds: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["kind"], one.get("counts", "")) for one in grounds if one["kind"] == "waiver"]


def test_explain_says_that_they_may_agree_and_that_they_did(world: factories.World) -> None:
    world.subject.refresh_from_db()
    waited = datetime.now(UTC)
    agree(world)
    agreed = datetime.now(UTC)
    take_back(world)
    back = datetime.now(UTC)

    for at, expected in ((waited, []), (back, [("waiver", "taken_back")])):
        (step,) = explained(world, at)["explanations"]
        assert step["code"] == RUNNING
        assert step["params"]["waivable"] is True
        assert kinds(step["grounds"]) == expected
    told = explained(world, agreed)
    assert told["decision"] == "allow"
    assert kinds(told["stands"]) == [("waiver", "in_force")]


def test_to_others_it_is_the_persons_own_matter(world: factories.World) -> None:
    """The same answer, whether they agreed or not; nor does readiness count them otherwise."""
    from consent import selectors

    def told() -> tuple[object, object]:
        at = datetime.now(UTC) + timedelta(minutes=1)
        shared = selectors.shared_verdicts_at(world.subject, at=at)
        groups = selectors.readiness(at).purposes[0].groups
        return [(pair.app, pair.signal, pair.decision) for pair in shared.pairs], groups

    world.subject.refresh_from_db()
    before = told()
    agree(world)
    assert told() == before
    take_back(world)
    assert told() == before


def test_a_preview_counts_whoever_may_have_agreed(world: factories.World) -> None:
    """Taking an app off the list takes it from somebody who need not wait for their period."""
    from consent import selectors, services

    world.notice = services.publish_notice(
        purpose=world.purpose,
        texts={"en": ("About", factories.sections("other"))},
        actor=factories.OFFICER,
    )
    world.say_yes()
    agree(world)
    at = datetime.now(UTC)
    before = selectors.outcomes.take_snapshot(at)
    services.disallow_in_purpose(
        purpose=world.purpose,
        app=world.apps["tracker"],
        signals=[Signal.MOUSE_CLICK],
        actor=factories.OFFICER,
    )
    after = selectors.outcomes.take_snapshot(at)

    cohort = world.subject.cohort_id
    place = selectors.outcomes.Place(before, after, cohort, "train-agents", _local(at))
    assert ("lose", "train-agents", "mouse_click") in place.outcome([]).figures


def _local(at: datetime) -> Any:
    from consent.policy.clocks import local_days

    return local_days({"AU-NSW"}, at)[0]


# --- the pages -----------------------------------------------------------------------------------


# --- receipts ------------------------------------------------------------------------------------


def receipts(world: factories.World) -> list[list[bool]]:
    """What each receipt says was agreed to, and ended, the oldest decision first."""
    from consent.models import ConsentEvent
    from portal.receipts import as_json

    events = ConsentEvent.objects.filter(subject=world.subject).order_by("position")
    purposes = [as_json(event)["pii_processing"]["purposes"][0] for event in events]
    return [[said["agreed"] for said in purpose["shorter_notice"]] for purpose in purposes]


def test_a_receipt_says_what_was_agreed_to_under_its_yes(world: factories.World) -> None:
    from consent import services

    assert receipts(world) == [[]]
    agree(world)
    assert receipts(world) == [[True]]
    world.say_yes(("tracker", Signal.SCROLL))  # chosen otherwise: it stands on
    assert receipts(world) == [[True], [True]]
    take_back(world)
    assert receipts(world) == [[True], [True, False]]
    agree(world)
    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    assert receipts(world) == [[True], [True, False, True, False], []]
    world.say_yes()
    assert receipts(world)[2:] == [[], []]


def test_the_page_of_a_receipt_says_so_only_where_it_is_so(
    world: factories.World, person: Client
) -> None:
    from consent.models import ConsentEvent

    address = f"/you/receipts/{ConsentEvent.objects.get(subject=world.subject).uuid}/"
    assert "Shorter notice" not in person.get(address).content.decode()
    agree(world)

    page = person.get(address).content.decode()
    assert "Shorter notice" in page
    assert "You agreed to it" in page
    assert "Your agreement ended" not in page


@pytest.fixture
def person(world: factories.World) -> Client:
    return signed_in(subject=world.subject)


def button(person: Client) -> str:
    """The act that the page offers about the beginning, by its address."""
    page = person.get(PAGE).content.decode()
    return next((url for url in (AGREE, WAIT) if f'action="{url}"' in page), "")


def test_the_page_says_from_when_and_offers_it_apart_from_the_answer(person: Client) -> None:
    page = person.get(PAGE).content.decode()
    answer, rest = page.split('id="beginning"')
    answer = answer[answer.index('class="stack" method="post"') :].split("</form>")[0]

    assert "Nothing is recorded before" in rest
    assert "You need not do anything" in rest
    assert "s.10" in rest
    assert 'value="yes"' in answer
    assert AGREE not in answer
    assert "earlier" not in answer
    assert button(person) == AGREE


def test_agreeing_and_taking_back_on_the_page(person: Client, world: factories.World) -> None:
    answer = person.post(AGREE, {"notice_version": world.notice.version}, follow=True)
    assert "may begin earlier" in answer.content.decode()
    assert codes(world) == ()
    assert button(person) == WAIT
    assert "You agreed that recording may begin before" in person.get("/you/").content.decode()
    assert "you agreed to a shorter notice" in person.get("/you/history/").content.decode()

    answer = person.post(WAIT, follow=True)
    assert "Taken back" in answer.content.decode()
    assert codes(world) == (RUNNING,)
    assert button(person) == AGREE
    assert "Nothing is recorded before" in person.get("/you/").content.decode()
    assert "agreement to a shorter notice ended" in person.get("/you/history/").content.decode()
    assert "nothing to take back" in person.post(WAIT, follow=True).content.decode()


def test_a_yes_does_not_bring_it_along(person: Client, world: factories.World) -> None:
    """Whatever else the form of the answer is sent with."""
    sent = {"answer": "yes", "scope": ["tracker:navigation"], "earlier": "on", "agree": "on"}
    person.post(PAGE, {**sent, "notice_version": world.notice.version})

    assert codes(world) == (RUNNING,)


def test_before_a_yes_nothing_is_offered(world: factories.World) -> None:
    newcomer = signed_in(subject=joined("AU-NSW", TODAY - DAY))

    page = newcomer.get(PAGE).content.decode()
    assert "After a yes, the law also lets you agree" in page
    assert AGREE not in page
    assert "Nothing is recorded before" not in newcomer.get("/you/").content.decode()


def test_where_nobody_may_agree_the_page_only_says_from_when(database: Any) -> None:
    person = signed_in(subject=waits("PL").subject)

    page = person.get(PAGE).content.decode()
    assert "Nothing is recorded before" in page
    assert "lets you agree" not in page
    assert "Nothing is recorded before" in person.get("/you/").content.decode()


def test_where_no_period_runs_the_page_says_nothing_of_one(database: Any) -> None:
    world = factories.make_world()
    world.say_yes()

    assert 'id="beginning"' not in signed_in(subject=world.subject).get(PAGE).content.decode()


def test_an_agreement_to_another_notice_is_not_stored(
    person: Client, world: factories.World
) -> None:
    for version in ("", "0", str(world.notice.version + 1), "x"):
        answer = person.post(AGREE, {"notice_version": version}, follow=True)
        assert "notice changed" in answer.content.decode()

    assert codes(world) == (RUNNING,)


def test_only_by_post_and_only_for_oneself(person: Client, world: factories.World) -> None:
    stranger = signed_in("privacy_officer")

    for url in (AGREE, WAIT):
        assert person.get(url).status_code == 405
        assert stranger.post(url, {"notice_version": 1}).status_code == 403
        assert Client().post(url).status_code == 302
    assert codes(world) == (RUNNING,)
