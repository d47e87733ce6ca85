"""Small worlds at random: a purpose, some apps, papers that hold or not, and a few people.

Every world is built through the services, in a database that other worlds may share: codes are
fresh each time, and what stood before is retired first.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone
from hypothesis import strategies as st

from consent import services
from consent.models import Agreement, App, Notice, Purpose, Subject
from consent.policy.types import AppCategory, MatcherKind, Platform, Signal
from consent.rules import rulebook
from consent.services import Pair
from tests import factories

PLACES = ("DE", "PL", "FI", "IE", "US-NY", "BE", "AU", "")
KINDS = (
    (AppCategory.TRACKER, "own", (Signal.MOUSE_CLICK, Signal.MOUSE_MOVE)),
    (AppCategory.OFFICE, "colleagues", (Signal.WINDOW_TITLE, Signal.SCROLL)),
    (AppCategory.UNKNOWN, "own", (Signal.SCROLL,)),
    (AppCategory.OFFICE, "own", (Signal.SCREENSHOT,)),
    (AppCategory.HR, "own", ()),
)
DAYS = st.sampled_from([-400, -91, -20, -3, 0, 4, 40])

PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "place": st.sampled_from(PLACES),
            "answer": st.sampled_from(["", "yes", "no", "later", "withdrawn"]),
            "confirmed": st.booleans(),
            "paused": st.booleans(),
        }
    ),
    min_size=1,
    max_size=4,
)
EVIDENCE = st.lists(
    st.fixed_dictionaries(
        {
            "place": st.sampled_from(PLACES[:-1]),
            "leave_out": st.integers(0, 3),
            "since": DAYS,
            "lasts": st.sampled_from([None, 7, 60, 500]),
            "taken_back": st.sampled_from([False, False, False, True]),
        }
    ),
    max_size=4,
)
AGREEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "place": st.sampled_from(PLACES[:-1]),
            "since": DAYS,
            "lasts": st.sampled_from([None, 10, 500]),
            "signals": st.sampled_from([[], ["scroll"], ["mouse_click", "window_title"]]),
        }
    ),
    max_size=2,
)
WORLDS = st.fixed_dictionaries(
    {
        "people": PEOPLE,
        "evidence": EVIDENCE,
        "agreements": AGREEMENTS,
        "kinds": st.sets(st.integers(0, len(KINDS) - 1), min_size=1),
        "notices": st.lists(st.sampled_from([-60, -13, -1]), max_size=2).map(sorted),
        "exception": st.sampled_from([None, "DE", "IE", "PL"]),
        "stopped": st.sampled_from([False, False, False, True]),
    }
)


@dataclass
class SmallWorld:
    """What was built."""

    purpose: Purpose
    apps: list[App]
    people: list[Subject]
    notice: Notice | None
    drawn: dict[str, Any] = field(repr=False, default_factory=dict)


def build(drawn: dict[str, Any]) -> SmallWorld:
    """Build the world that was drawn; what is left of an earlier one retires, leaves and ends."""
    with services.refresh_once():
        purpose, apps, notice = _published(drawn)
    people = [_person(purpose, notice, apps, one) for one in drawn["people"]]
    if drawn["stopped"]:
        services.pull_kill_switch(
            purpose=purpose, by=uuid4(), role="privacy_officer", reason="other"
        )
    return SmallWorld(purpose, apps, people, notice, drawn)


def _published(drawn: dict[str, Any]) -> tuple[Purpose, list[App], Notice | None]:
    _clear_the_stage()
    code = f"p-{secrets.token_hex(4)}"
    purpose = services.publish_purpose(
        code=code,
        title="A purpose",
        description="Drawn at random.",
        retention_days=60,
        position=1,
        actor=factories.OFFICER,
        at=_ago(days=400),
        imported=True,
    )
    apps = [_app(purpose, number) for number in sorted(drawn["kinds"])]
    for paper in drawn["evidence"]:
        _evidence(purpose, paper)
    for paper in drawn["agreements"]:
        _agreement(purpose, paper)
    if drawn["exception"]:
        _exception(purpose, drawn["exception"])
    notice = None
    for day in drawn["notices"]:
        notice = _notice(purpose, day)
    return purpose, apps, notice


def _clear_the_stage() -> None:
    for purpose in Purpose.objects.filter(published_at__isnull=False):
        from consent.services.purposes import retire_purpose

        retire_purpose(purpose=purpose, actor=factories.OFFICER)
    Subject.objects.filter(departed_at__isnull=True).update(departed_at=timezone.now())
    for earlier in Agreement.objects.filter(replaced_by__isnull=True, purposes__len__gt=0):
        # An agreement about other purposes lets nothing of this one be recorded in its place.
        _record(jurisdictions=["SG"], valid_from=factories.LONG_AGO, replaces=earlier)


def _app(purpose: Purpose, number: int) -> App:
    category, data_of, signals = KINDS[number]
    code = f"app-{secrets.token_hex(4)}"
    app = services.list_app(
        code=code,
        name=code,
        category=category,
        data_of=data_of,
        matchers=[(Platform.WEB, MatcherKind.DOMAIN, f"{code}.example")],
        actor=factories.OFFICER,
    )
    if signals:
        services.allow_in_purpose(
            purpose=purpose, app=app, signals=list(signals), actor=factories.OFFICER
        )
    return app


def _evidence(purpose: Purpose, paper: dict[str, Any]) -> None:
    asked = [
        (row.code, gate)
        for row in rulebook().lineage(paper["place"])
        for gate in sorted(row.own.gates)
    ] + [(paper["place"], "counsel_signoff")]
    since = _day(paper["since"])
    rows = services.close_gate(
        purpose=purpose,
        gates=[gate for number, gate in enumerate(asked) if number != paper["leave_out"] - 1],
        document_title=f"Paper {secrets.token_hex(2)}",
        document_sha256=secrets.token_hex(32),
        valid_from=since,
        valid_until=since + timedelta(days=paper["lasts"]) if paper["lasts"] else None,
        actor=factories.OFFICER,
    )
    if paper["taken_back"]:
        services.reopen_gate(evidence=rows[0], actor=factories.OFFICER)


def _agreement(purpose: Purpose, paper: dict[str, Any]) -> None:
    since = _day(paper["since"])
    _record(
        jurisdictions=[paper["place"]],
        purposes=[purpose.code],
        signals=paper["signals"],
        valid_from=since,
        valid_until=since + timedelta(days=paper["lasts"]) if paper["lasts"] else None,
    )


def _record(**terms: Any) -> None:
    services.record_agreement(
        agreement=Agreement(
            code=f"BV-{secrets.token_hex(4)}",
            title="An agreement",
            parties="Both",
            document_sha256=secrets.token_hex(32),
            **terms,
        ),
        actor=factories.OFFICER,
    )


def _exception(purpose: Purpose, place: str) -> None:
    services.grant_override(
        purpose=purpose,
        jurisdiction=place,
        signal=Signal.MOUSE_MOVE,
        reason="To be looked at",
        document_title="An exception",
        document_sha256=secrets.token_hex(32),
        valid_from=_day(-5),
        valid_until=_day(50),
        actor=factories.OFFICER,
    )


def _notice(purpose: Purpose, day: int) -> Notice:
    return services.publish_notice(
        purpose=purpose,
        texts={"en": ("A notice", factories.sections())},
        actor=factories.OFFICER,
        at=_ago(days=-day),
        imported=True,
    )


def _person(
    purpose: Purpose, notice: Notice | None, apps: list[App], drawn: dict[str, Any]
) -> Subject:
    facts = {"work_location": drawn["place"]} if drawn["place"] else {"unit": "research"}
    if drawn["place"] == "PL":  # known for long, or its notice period would always run
        subject = factories.known_for_long(facts)
    else:
        subject = services.record_subject(
            language="en",
            facts=facts,
            since=factories.LONG_AGO,
            source="test",
            actor=factories.OFFICER,
        )
    if notice is None:
        return subject
    if drawn["confirmed"]:
        services.acknowledge_notice(subject=subject, notice=notice)
    _answer(subject, purpose, notice, drawn["answer"])
    if drawn["paused"]:
        services.pause_capture(subject=subject)
    return subject


def _answer(subject: Subject, purpose: Purpose, notice: Notice, answer: str) -> None:
    from consent import selectors

    said = {"subject": subject, "purpose": purpose.code, "language": "en", "notice": notice}
    offered = sorted(selectors.offered_pairs(purpose))
    if answer in {"yes", "withdrawn"} and offered:
        pairs = [Pair(app, signal) for app, signal in offered[: len(offered) // 2 + 1]]
        services.give_consent(pairs=pairs, **said)
        if answer == "withdrawn":
            services.withdraw_consent(subject=subject, purpose=purpose.code)
    elif answer in {"no", "later"}:
        services.decline_consent(deferred=answer == "later", **said)


def _day(offset: int) -> date:
    return timezone.now().date() + timedelta(days=offset)


def _ago(*, days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
