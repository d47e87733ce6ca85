"""What was answered is answered about that instant later, whatever became of papers and apps.

Agreements that lapse or are replaced, exceptions, switches of one purpose, apps that change their
kind, are reported and cleared, lists, moves and departures, also such as are told late; asked about
the instants in between, and about days that were to come when it was answered and are over now.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import time_machine
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests import factories

DAYS = st.sampled_from([None, 1, 2, 5])
SIGNALS = ("mouse_click", "scroll", "key_timing")
AHEAD = [timedelta(hours=20), timedelta(days=1, hours=12), timedelta(days=3), timedelta(days=9)]
NUMBERS = count(1)


def in_days(days: int | None) -> date | None:
    return None if days is None else datetime.now(UTC).date() + timedelta(days=days)


def test_every_answer_can_be_given_again_about_papers_and_apps(database: Any) -> None:
    from consent import selectors, services
    from consent.exceptions import ConsentError
    from consent.models import Agreement, App, SignalOverride, Subject
    from consent.policy.types import AppCategory, Signal

    world = factories.make_world("IE")
    for place in ("GB", "US-NY"):
        factories.close_all_gates(world.purpose, place)
    for app in world.apps.values():
        services.allow_in_purpose(
            purpose=world.purpose, app=app, signals=[Signal.KEY_TIMING], actor=factories.OFFICER
        )

    class Story(RuleBasedStateMachine):
        """Anything that changes an answer; after each step the answer of that instant is kept."""

        def __init__(self) -> None:
            super().__init__()
            self.subject = world.another_subject()
            self.apps = dict(world.apps)
            self.moves_ahead = False
            self.answers: list[tuple[datetime, Any]] = []
            self.say_yes()

        def keep(self) -> None:
            time.sleep(0.001)
            self.answers.append(self.answer_of(datetime.now(UTC)))
            time.sleep(0.001)

        def answer_of(self, at: datetime) -> tuple[datetime, Any]:
            subject = Subject.objects.get(pk=self.subject.pk)
            return at, selectors.verdicts_for(subject, at=at).pairs

        @rule()
        def say_yes(self) -> None:
            pairs = [services.Pair(code, Signal(one)) for code in self.apps for one in SIGNALS]
            try:
                services.give_consent(
                    subject=self.subject,
                    purpose="train-agents",
                    notice=world.notice,
                    pairs=pairs,
                    language="en",
                )
            except ConsentError:  # something of it is not offered now
                return
            self.keep()

        @rule(begins=st.sampled_from([-9, 0, 2]), ends=DAYS, narrow=st.booleans())
        def agree(self, begins: int, ends: int | None, narrow: bool) -> None:
            """Replace the agreement of before, if any, by another one."""
            today = datetime.now(UTC).date()
            if ends is not None and ends <= begins:
                return
            before = Agreement.objects.order_by("-pk").first()
            services.record_agreement(
                agreement=Agreement(
                    code=f"A-{next(NUMBERS)}",
                    title="Agreement",
                    parties="Us and them",
                    jurisdictions=["IE"],
                    valid_from=today + timedelta(days=begins),
                    valid_until=in_days(ends),
                    document_sha256="a" * 64,
                    replaces=before,
                    signals=["scroll"] if narrow else [],
                    apps=["tracker"] if narrow else [],
                ),
                actor=factories.OFFICER,
            )
            self.keep()

        @rule(ends=st.sampled_from([1, 2, 5]), back=st.booleans())
        def grant_exception(self, ends: int, back: bool) -> None:
            """Restricted signals pass for some days, or less."""
            services.grant_override(
                purpose=world.purpose,
                jurisdiction="IE",
                signal=Signal.KEY_TIMING,
                reason="A test.",
                document_title="Exception",
                document_sha256="b" * 64,
                valid_from=in_days(0) or date.max,
                valid_until=in_days(ends) or date.max,
                actor=factories.OFFICER,
            )
            self.keep()
            if back:
                newest = SignalOverride.objects.order_by("-pk").first()
                services.revoke_override(override=newest, actor=factories.OFFICER)
                self.keep()

        @rule(kind=st.sampled_from(["office", "design", "unknown", "health"]))
        def recategorise(self, kind: str) -> None:
            app = App.objects.get(pk=world.apps["tracker"].pk)
            if app.category == "health":
                factories.let_go(app, "tracker")
            elif app.category != kind:
                services.change_app(app=app, fields={"category": kind}, actor=factories.OFFICER)
            self.keep()

        @rule(cleared=st.booleans())
        def report(self, cleared: bool) -> None:
            sheet = App.objects.get(pk=world.apps["sheet"].pk)
            services.report_app(
                app=sheet, suspected=AppCategory.UNION, reporter=uuid4(), actor=factories.OFFICER
            )
            self.keep()
            if cleared:
                factories.unblock(sheet)
                self.keep()

        @rule(signal=st.sampled_from(SIGNALS), back=st.booleans())
        def take_off_the_list(self, signal: str, back: bool) -> None:
            app = App.objects.get(pk=world.apps["tracker"].pk)
            listed = {"purpose": world.purpose, "app": app, "signals": [Signal(signal)]}
            services.disallow_in_purpose(**listed, actor=factories.OFFICER)
            self.keep()
            if back and app.category != "health":
                services.allow_in_purpose(**listed, actor=factories.OFFICER)
                self.keep()

        @rule()
        def stop_one_purpose(self) -> None:
            switch = services.pull_kill_switch(
                purpose=world.purpose, by=uuid4(), role="privacy_officer", reason="incident"
            )
            self.keep()
            for officer in (uuid4(), uuid4()):
                services.release_kill_switch(
                    switch=switch.uuid, officer=factories.make_officer(officer)
                )
            self.keep()

        @rule(to=st.sampled_from(["IE", "GB", "US-NY", "XX"]), days=st.sampled_from([-3, 2]))
        def move(self, to: str, days: int) -> None:
            # What workers would do on that day has not been done when it is asked about here.
            self.moves_ahead = self.moves_ahead or days > 0
            services.record_fact(
                subject=self.subject,
                kind="work_location",
                value=to,
                valid_from=in_days(days) or date.max,
                source="test",
                actor=factories.OFFICER,
            )
            self.keep()

        @rule(hours=st.sampled_from([-30, 0, 40]))
        def leave(self, hours: int) -> None:
            try:
                services.record_departure(
                    subject=self.subject,
                    left_at=datetime.now(UTC) + timedelta(hours=hours),
                    source="test",
                    actor=factories.OFFICER,
                )
            except ConsentError:  # they leave at another hour already
                services.record_return(subject=self.subject, source="test", actor=factories.OFFICER)
            self.keep()

        def teardown(self) -> None:
            now = datetime.now(UTC)
            coming = [self.answer_of(now + ahead) for ahead in AHEAD if not self.moves_ahead]
            differing = list(map(self.differs, self.answers))
            with time_machine.travel(now + timedelta(days=12)):
                differing += map(self.differs, (*self.answers, *coming))
            assert not any(differing), [one for one in differing if one]

        def differs(self, answer: tuple[datetime, Any]) -> list[Any]:
            """Return what is answered otherwise about that instant by now."""
            at, pairs = answer
            then = selectors.verdicts_at(self.subject, at=at).pairs
            found = dict.fromkeys(pairs) | dict.fromkeys(then)
            return [
                (at, one.app, one.signal, one.decision.codes, one in pairs)
                for one in found
                if (one in pairs) is not (one in then)
            ]

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=8,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
