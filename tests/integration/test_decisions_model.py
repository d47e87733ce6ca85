"""A model of one person's story, and the product beside it, driven through the same random steps.

The model is a dozen lines: what the person last said, whether they paused, and which recordings
may still exist. After every step both must agree (DESIGN invariants 1, 4, 5, 6, 8 and 10).
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests import factories
from tests.oracle import look

OFFERED = [(app, signal) for app in ("tracker", "sheet") for signal in ("mouse_click", "scroll")]
PAIRS = st.sets(st.sampled_from(OFFERED), min_size=1)


def test_the_product_agrees_with_the_model(database: Any, store: Path) -> None:
    from consent import selectors, services
    from consent.policy.types import ConsentState, Signal
    from consent.services import Pair
    from retention import services as retention

    world = factories.make_world()

    class Story(RuleBasedStateMachine):
        """The person's decisions, their agent's recordings and the workers, in any order."""

        def __init__(self) -> None:
            super().__init__()
            self.subject = world.another_subject()
            self.agent = factories.make_agent(self.subject)
            self.state = ConsentState.UNKNOWN
            self.yes: set[tuple[str, str]] = set()
            self.paused = False
            self.kept: dict[bytes, set[tuple[str, str]]] = {}
            self.gone: set[bytes] = set()

        def end_all(self) -> None:
            self.gone |= set(self.kept)
            self.kept, self.yes = {}, set()

        @initialize()
        def begin_with_a_yes(self) -> None:
            """Most of what matters follows a yes; whoever wants may take it back at once."""
            self.say_yes(set(OFFERED))
            self.hand_in({OFFERED[0]}, within=True)

        @rule(pairs=PAIRS)
        def say_yes(self, pairs: set[tuple[str, str]]) -> None:
            services.give_consent(
                subject=self.subject,
                purpose="train-agents",
                notice=world.notice,
                pairs=[Pair(app, Signal(signal)) for app, signal in pairs],
                language="en",
            )
            if self.state is ConsentState.GIVEN:
                for needle in [n for n, used in self.kept.items() if used - pairs]:
                    self.gone.add(needle)
                    del self.kept[needle]
            self.state, self.yes = ConsentState.GIVEN, set(pairs)

        @rule(later=st.booleans())
        def decline(self, later: bool) -> None:
            services.decline_consent(
                subject=self.subject,
                purpose="train-agents",
                notice=world.notice,
                deferred=later,
                language="en",
            )
            self.state = ConsentState.DEFERRED if later else ConsentState.REFUSED
            self.end_all()

        @rule()
        def withdraw(self) -> None:
            services.withdraw_everything(subject=self.subject)
            if self.state is ConsentState.GIVEN:
                self.state = ConsentState.WITHDRAWN
                self.end_all()

        @rule()
        def pause(self) -> None:
            services.pause_capture(subject=self.subject)
            self.paused = True

        @rule()
        def resume(self) -> None:
            services.resume_capture(subject=self.subject)
            self.paused = False

        @rule(pairs=PAIRS, within=st.booleans())
        def hand_in(self, pairs: set[tuple[str, str]], within: bool) -> None:
            """Offer a recording of one app: of what was allowed, or of anything."""
            chosen = self.yes if within and self.yes else pairs
            app = min(chosen)[0]
            used = {pair for pair in chosen if pair[0] == app}
            policy = services.issue_policy(agent=self.agent).policy
            needle = secrets.token_bytes(12)
            now = datetime.now(UTC)
            manifest = factories.manifest_for(
                policy,
                needle,
                app=app,
                signals={signal: 1 for _, signal in used},
                captured_from=now,
                captured_until=now,
            )
            admission = retention.announce_batch(agent=self.agent, manifest=manifest)
            allowed = not self.paused and used <= self.yes
            assert (admission.state == "awaiting_bytes") is allowed, admission.reasons
            if allowed:
                retention.receive_bytes(agent=self.agent, batch=manifest.batch, chunks=[needle])
                self.kept[needle] = used
            else:
                assert admission.reasons
                self.gone.add(needle)

        @rule()
        def workers(self) -> None:
            retention.expand_cases()
            retention.run_due_jobs(limit=100)
            found = look(store, [*self.kept, *self.gone])["found"]
            assert isinstance(found, dict)
            assert all(found[needle.hex()] == 1 for needle in self.kept)
            assert all(found[needle.hex()] == 0 for needle in self.gone)

        def teardown(self) -> None:
            """Whatever the order was, in the end the workers come."""
            self.workers()

        @invariant()
        def what_is_allowed_is_what_was_said(self) -> None:
            verdicts = selectors.verdicts_for(self.subject, at=datetime.now(UTC))
            allowed = {
                (item["app"], signal) for item in verdicts.allowed() for signal in item["signals"]
            }
            assert allowed == (set() if self.paused else self.yes)
            assert all(p.decision.permitted or p.decision.codes for p in verdicts.pairs)

        @invariant()
        def the_newest_event_is_what_stands(self) -> None:
            newest = selectors.newest_event(self.subject, world.purpose)
            assert (newest.state if newest else "unknown") == self.state

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=20,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert database.sql("SELECT count(*) FROM retention_deletionjob WHERE failure <> ''") == [(0,)]
