"""How it stood then: what was answered at an instant is what is answered about it later."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests import factories

OFFERED = [(app, signal) for app in ("tracker", "sheet") for signal in ("mouse_click", "scroll")]


def test_every_answer_can_be_given_again_about_its_instant(database: Any) -> None:
    from consent import selectors, services
    from consent.models import GateEvidence, Subject
    from consent.policy.types import Signal

    world = factories.make_world("IE")
    factories.close_all_gates(world.purpose, "GB")

    class Story(RuleBasedStateMachine):
        """Anything that changes an answer; after each step the answer of that instant is kept."""

        def __init__(self) -> None:
            super().__init__()
            self.subject = world.another_subject()
            self.answers: list[tuple[datetime, Any]] = []
            self.keep()

        def keep(self) -> None:
            time.sleep(0.001)
            now = datetime.now(UTC)
            subject = Subject.objects.get(pk=self.subject.pk)
            self.answers.append((now, selectors.verdicts_for(subject, at=now).pairs))
            time.sleep(0.001)

        @rule(pairs=st.sets(st.sampled_from(OFFERED), min_size=1))
        def say_yes(self, pairs: set[tuple[str, str]]) -> None:
            services.give_consent(
                subject=self.subject,
                purpose="train-agents",
                notice=world.notice,
                pairs=[services.Pair(app, Signal(signal)) for app, signal in pairs],
                language="en",
            )
            self.keep()

        @rule()
        def withdraw(self) -> None:
            services.withdraw_everything(subject=self.subject)
            self.keep()

        @rule(go_on=st.booleans())
        def pause(self, go_on: bool) -> None:
            if go_on:
                services.resume_capture(subject=self.subject)
            else:
                services.pause_capture(subject=self.subject)
            self.keep()

        @rule(to=st.sampled_from(["IE", "GB", "XX"]))
        def move(self, to: str) -> None:
            services.record_fact(
                subject=self.subject,
                kind="work_location",
                value=to,
                valid_from=datetime.now(UTC).date(),
                source="test",
                actor=factories.OFFICER,
            )
            self.keep()

        @rule()
        def lose_evidence_and_find_it(self) -> None:
            newest = GateEvidence.objects.filter(jurisdiction="EU", reopening__isnull=True)
            gate = newest.exclude(gate="counsel_signoff").order_by("-pk").first()
            assert gate
            services.reopen_gate(evidence=gate, actor=factories.OFFICER)
            self.keep()
            factories.close_all_gates(world.purpose, "IE")
            self.keep()

        @rule()
        def stop_for_everybody(self) -> None:
            switch = services.pull_kill_switch(
                purpose=None, by=uuid4(), role="privacy_officer", reason="incident"
            )
            self.keep()
            for officer in (uuid4(), uuid4()):
                services.release_kill_switch(
                    switch=switch.uuid, officer=factories.make_officer(officer)
                )
            self.keep()

        def teardown(self) -> None:
            subject = Subject.objects.get(pk=self.subject.pk)
            for at, pairs in self.answers:
                then = selectors.verdicts_at(subject, at=at)
                assert then.pairs == pairs
                assert not then.reconstructed

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


def test_what_was_imported_is_pieced_together_and_says_so(database: Any) -> None:
    from consent import selectors, services
    from consent.policy.types import Signal

    world = factories.make_world("IE")
    long_ago = datetime(2025, 3, 1, 9, tzinfo=UTC)
    subject = services.record_subject(
        language="en",
        facts={"work_location": "IE"},
        since=date(2025, 1, 1),
        source="test",
        actor=factories.OFFICER,
        event_time=long_ago,
        imported=True,
    )
    services.give_consent(
        subject=subject,
        purpose="train-agents",
        notice=world.notice,
        pairs=[services.Pair("tracker", Signal.SCROLL)],
        language="en",
        event_time=long_ago + timedelta(days=1),
        imported=True,
    )

    def allowed(at: datetime) -> list[Any]:
        return selectors.verdicts_at(subject, at=at).allowed()

    assert allowed(long_ago - timedelta(seconds=1)) == []
    assert allowed(long_ago) == []
    assert allowed(long_ago + timedelta(days=2)) != []
    assert selectors.verdicts_at(subject, at=long_ago + timedelta(days=2)).reconstructed
    assert not selectors.verdicts_at(subject, at=datetime.now(UTC)).reconstructed


def test_a_machine_is_judged_as_it_stood(database: Any) -> None:
    from consent import selectors, services

    world = factories.make_world("IE")
    world.say_yes()
    before = datetime.now(UTC)
    agent = factories.make_agent(world.subject)
    time.sleep(0.001)
    enrolled = datetime.now(UTC)
    time.sleep(0.001)
    revoked = services.revoke_agent(subject=world.subject, ref=str(agent.ref))

    def allowed(at: datetime) -> bool:
        return bool(selectors.verdicts_at(world.subject, at=at, agent=revoked).allowed())

    assert [allowed(at) for at in (before, enrolled, datetime.now(UTC))] == [False, True, False]
    assert selectors.verdicts_at(world.subject, at=before).allowed()


def test_from_now_on_the_answer_is_the_one_that_stands(database: Any) -> None:
    from consent import selectors

    world = factories.make_world("IE")
    world.say_yes()
    later = datetime.now(UTC) + timedelta(hours=1)

    at_then = selectors.verdicts_at(world.subject, at=later)

    assert at_then.pairs == selectors.verdicts_for(world.subject, at=later).pairs
    assert at_then.allowed()
