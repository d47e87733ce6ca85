"""Whatever is listed, asked for, said and reported in any order: what is protected stays shut.

Only `change_app` on a protected app and `unblock_app` let anything out, and those are not among the
steps here. After every step the agent's own matching reads the policy it would get.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

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

MARKS = [
    ("web", "domain", "team.example"),
    ("web", "domain", "*.team.example"),
    ("web", "domain", "x.team.example"),
    ("web", "domain", "*.x.team.example"),
    ("web", "domain", "pay.workday.com"),
    ("web", "domain", "*.google.com"),
    ("linux", "executable", "tool"),
    ("windows", "executable", "tool.exe"),
    ("windows", "signer", "Tools Ltd"),
    ("macos", "bundle_id", "com.example.Tool"),
    ("linux", "executable", "keepassxc"),
]
CODES = st.sampled_from(["a", "b", "c", "tracker", "sheet"])
SOME_MARKS = st.lists(st.sampled_from(MARKS), unique=True, max_size=4)
OPEN = st.sampled_from(["office", "tracker", "browser", "unknown"])
PROTECTED = st.sampled_from(["hr", "health", "personal"])
KNOWN_AS_NEVER = [
    {"host": "impl.workday.com"},
    {"host": "pay.workday.com"},
    {"host": "mail.google.com"},
    {"host": "www.verdi.de"},
    {"platform": "linux", "executable": "keepassxc"},
]


def windows(marks: list[tuple[str, str, str]]) -> Iterator[dict[str, str]]:
    """Yield windows that these marks fit, on their own platform and on another."""
    for platform, kind, value in marks:
        if kind == "domain":
            base = value.removeprefix("*.")
            yield from (
                {"host": host} for host in ({base, "deep.er." + base} if "*" in value else {base})
            )
        elif kind == "executable":
            yield {"platform": platform, kind: value, "signer": "Tools Ltd"}
            yield {"platform": "linux", kind: value.removesuffix(".exe")}
        elif kind != "signer":
            yield {"platform": platform, kind: value}


def document(issued: dict[str, Any], verdicts: Any, platform: str) -> dict[str, Any]:
    """What an agent of this platform would get now, without the writing of it."""
    return {
        **issued,
        "apps": verdicts.apps(),
        "allow": verdicts.allowed(),
        "deny": verdicts.denied(),
        "never": {**issued["never"], "matchers": verdicts.never_matchers(platform)},
    }


def test_nothing_lets_out_what_is_protected(database: Any) -> None:
    from sayso_agent import Policy, WindowFacts
    from sayso_agent.matching import NoApp

    from audit.ledger import Actor
    from consent import selectors, services
    from consent.exceptions import ConsentError
    from consent.models import App
    from consent.policy.types import AppCategory, MatcherKind, Platform, Signal
    from consent.services import Pair

    world = factories.make_world()
    issued = services.issue_policy(agent=factories.make_agent(world.subject)).document

    class Registry(RuleBasedStateMachine):
        """The services that anybody's wish may reach."""

        def __init__(self) -> None:
            super().__init__()
            self.prefix = uuid4().hex[:6]
            self.protected: set[str] = set()

        def named(self, code: str) -> str:
            return code if code in world.apps else f"{code}-{self.prefix}"

        def found(self, code: str) -> App | None:
            return App.objects.filter(code=self.named(code)).first()

        @initialize()
        def begin_with_a_yes(self) -> None:
            """Most of what matters shows only beside what is allowed."""
            self.list_app("c", "browser", [("linux", "executable", "tool")], own=True)
            for code in ("c", "tracker", "sheet"):
                self.ask_for(code)
            self.say_yes_to_everything()

        @rule(code=CODES, category=OPEN | PROTECTED, marks=SOME_MARKS, own=st.booleans())
        def list_app(
            self, code: str, category: str, marks: list[tuple[str, str, str]], own: bool
        ) -> None:
            with suppress(ConsentError):
                app = services.list_app(
                    code=self.named(code),
                    name=code,
                    category=AppCategory(category),
                    data_of="own" if own else "customers",
                    matchers=[(Platform(p), MatcherKind(k), value) for p, k, value in marks],
                    counterparties=None if own else ["IE"],
                    counterparties_masked=not own,
                    actor=factories.OFFICER,
                )
                if app.never:
                    self.protected.add(app.code)

        @rule(code=CODES)
        def ask_for(self, code: str) -> None:
            if app := self.found(code):
                with suppress(ConsentError):
                    services.allow_in_purpose(
                        purpose=world.purpose,
                        app=app,
                        signals=list(Signal),
                        actor=factories.OFFICER,
                    )

        @rule(code=CODES)
        def ask_no_longer(self, code: str) -> None:
            if app := self.found(code):
                services.disallow_in_purpose(
                    purpose=world.purpose,
                    app=app,
                    signals=[Signal.SCROLL, Signal.WINDOW_TITLE],
                    actor=factories.OFFICER,
                )

        @rule()
        def say_yes_to_everything(self) -> None:
            pairs = [
                Pair(entry.app.code, Signal(entry.signal))
                for entry in world.purpose.allowlist.filter(delisted_at__isnull=True)
            ]
            with suppress(ConsentError):
                services.give_consent(
                    subject=world.subject,
                    purpose="train-agents",
                    notice=world.notice,
                    pairs=pairs,
                    language="en",
                )

        @rule(code=CODES, suspected=PROTECTED)
        def report(self, code: str, suspected: str) -> None:
            if app := self.found(code):
                who = uuid4()
                services.report_app(
                    app=app,
                    suspected=AppCategory(suspected),
                    reporter=who,
                    actor=Actor.subject(who),
                )
                self.protected.add(app.code)

        @rule(code=CODES, category=OPEN | PROTECTED, marks=SOME_MARKS)
        def change_an_ordinary_app(
            self, code: str, category: str, marks: list[tuple[str, str, str]]
        ) -> None:
            app = self.found(code)
            fields = {"category": category, "matchers": [list(mark) for mark in marks]}
            with suppress(ConsentError):
                if app and not services.leaves_protection(app, fields):
                    app = services.change_app(app=app, fields=fields, actor=factories.OFFICER)
                    if app.never:
                        self.protected.add(app.code)

        @invariant()
        def what_is_protected_stays_shut(self) -> None:
            verdicts = selectors.verdicts_for(world.subject, at=datetime.now(UTC))
            for pair in verdicts.pairs:
                if pair.app in self.protected:
                    assert pair.decision.codes == ("never_category",)
            shut = list(KNOWN_AS_NEVER)
            for app in App.objects.filter(code__in=self.protected):
                shut += windows(list(app.matchers.values_list("platform", "kind", "value")))
            for platform in Platform:
                policy = Policy.parse(document(issued, verdicts, platform))
                assert not self.protected & {app for _, app in policy.allow}
                for facts in shut:
                    found = policy.find_app(WindowFacts(**{"platform": platform, **facts}))
                    assert isinstance(found, NoApp), (facts, found)

        def teardown(self) -> None:
            """Let everything out again, by the two services that may, for the next story.

            Nobody agreed to it, which the database would refuse.
            """
            guards = (
                ("consent_app", "consent_app_let_go"),
                ("consent_app", "consent_app_unblocked"),
                ("consent_appmatcher", "consent_mark_taken_off"),
                ("consent_appmatcher", "consent_mark_despite"),
                ("consent_appreport", "consent_report_settled"),
            )
            for table, guard in guards:
                database.sql(f"ALTER TABLE {table} DISABLE TRIGGER {guard}")
            with services.refresh_once():
                for app in App.objects.all():
                    services.unblock_app(app=app, actor=factories.OFFICER)
                    host = f"{app.code}.example"
                    marks = [["web", "domain", host]] if app.code in world.apps else []
                    fields = {"category": "office", "matchers": marks}
                    services.change_app(app=app, fields=fields, actor=factories.OFFICER)
            for table, guard in guards:
                database.sql(f"ALTER TABLE {table} ENABLE TRIGGER {guard}")

    run_state_machine_as_test(
        Registry,
        settings=settings(
            max_examples=10,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
