"""The registry of apps: what is listed, reported and let out, and what agents are told of it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests import factories

CONTENT = "window_title"
APP_ENTRIES = (
    "SELECT count(*) FROM audit_entry WHERE type LIKE 'app.%%' OR type LIKE 'allowlist.%%'"
)


def entries(database: Any) -> int:
    found: int = database.sql(APP_ENTRIES)[0][0]
    return found


def bodies(database: Any, kind: str) -> list[dict[str, Any]]:
    rows = database.sql("SELECT body FROM audit_entry WHERE type = %s ORDER BY id", kind)
    return [json.loads(bytes(body)) for (body,) in rows]


def list_app(code: str, *marks: tuple[str, str, str], **differs: Any) -> Any:
    from consent import services
    from consent.policy.types import AppCategory, MatcherKind, Platform

    values: dict[str, Any] = {
        "name": code.title(),
        "category": AppCategory.OFFICE,
        "data_of": "own",
        "matchers": [(Platform(p), MatcherKind(k), value) for p, k, value in marks],
        "actor": factories.OFFICER,
    }
    return services.list_app(code=code, **{**values, **differs})


def report(app: Any, reporter: UUID | None = None, suspected: str = "health") -> Any:
    from audit.ledger import Actor
    from consent import services
    from consent.policy.types import AppCategory

    who = reporter or uuid4()
    return services.report_app(
        app=app, suspected=AppCategory(suspected), reporter=who, actor=Actor.subject(who)
    )


def change(app: Any, **fields: Any) -> Any:
    from consent import services

    return services.change_app(app=app, fields=fields, actor=factories.OFFICER)


def codes(subject: Any, app: str, signal: str = "mouse_click") -> tuple[str, ...]:
    from consent.policy.types import Signal

    decision = factories.decision_for(
        subject, purpose="train-agents", app=app, signal=Signal(signal), at=datetime.now(UTC)
    )
    assert decision is not None
    return decision.codes


def policy_of(agent: Any) -> dict[str, Any]:
    from consent import services

    return services.issue_policy(agent=agent).document


def never_of(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (entry["platform"], entry["kind"], value)
        for entry in document["never"]["matchers"]
        for value in entry.get("values", [entry.get("value")])
    }


# --- listing ----------------------------------------------------------------------------------


def test_a_new_app_of_unknown_kind_denies_and_the_rest_runs_on(database: Any) -> None:
    from consent import services
    from consent.policy.types import AppCategory, Signal
    from consent.services import Pair

    world = factories.make_world()
    world.say_yes()
    new = list_app("novelty", ("web", "domain", "new.example"), category=AppCategory.UNKNOWN)
    services.allow_in_purpose(
        purpose=world.purpose, app=new, signals=[Signal.MOUSE_CLICK], actor=factories.OFFICER
    )
    services.give_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        pairs=[Pair("novelty", Signal.MOUSE_CLICK), Pair("tracker", Signal.MOUSE_CLICK)],
        language="en",
    )

    assert codes(world.subject, "novelty") == ("app_category_unknown",)
    assert codes(world.subject, "tracker") == ()


def test_an_app_is_listed_with_its_entry_and_what_is_known_of_others(database: Any) -> None:
    app = list_app(
        "desk",
        ("web", "domain", "*.desk.example"),
        ("windows", "executable", "desk.exe"),
        ("windows", "signer", "Desk Ltd"),
        data_of="customers",
        counterparties=["FR", "DE", "FR"],
        counterparties_masked=True,
    )

    assert (app.counterparties, app.counterparties_masked) == (["DE", "FR"], True)
    assert database.sql("SELECT count(*) FROM consent_appmatcher") == [(3,)]
    (body,) = bodies(database, "app.listed")
    assert (body["data"]["app"], body["data"]["category"]) == ("desk", "office")


BAD_MARKS = [
    ([("web", "domain", "*.com")], "at least two labels"),
    ([("web", "domain", "*.co.uk")], "anybody can register"),
    ([("web", "domain", "ok.example"), ("web", "domain", "Desk.example")], "lower case"),
    ([("web", "domain", "desk.example:443")], "no scheme, user, port or path"),
    ([("web", "domain", "bücher.example")], "xn--"),
    ([("linux", "bundle_id", "com.example.x")], "no mark of this kind"),
    ([("windows", "executable", "C:\\desk.exe")], "file name"),
    ([("windows", "signer", "Desk Ltd")], "name the program beside it"),
    ([("web", "domain", "a.example"), ("web", "domain", "a.example")], "there twice"),
    ([("macos", "bundle_id", "com.a.B"), ("macos", "bundle_id", "com.a.b")], "there twice"),
]


def test_a_bad_mark_is_refused_with_its_reason_and_nothing_is_stored(database: Any) -> None:
    from consent.exceptions import PatternUnfit

    for marks, said in BAD_MARKS:
        with pytest.raises(PatternUnfit, match=said):
            list_app("desk", *marks)

    assert database.sql("SELECT count(*) FROM consent_app") == [(0,)]
    assert entries(database) == 0


PROTECTED = [
    ("web", "domain", "acme.workday.com"),
    ("web", "domain", "workday.com"),
    ("web", "domain", "*.eu.workday.com"),
    ("windows", "executable", "keepass.exe"),
    ("linux", "executable", "keepass"),
    ("macos", "bundle_id", "com.1Password.1password"),
]


def test_what_the_catalogue_knows_as_never_captured_is_listed_as_that_or_not_at_all(
    database: Any,
) -> None:
    from consent.exceptions import NeverCapturable
    from consent.policy.types import AppCategory

    for mark in PROTECTED:
        for category in (AppCategory.OFFICE, AppCategory.UNKNOWN):
            with pytest.raises(NeverCapturable, match=r"is never captured"):
                list_app("mine", mark, category=category)

    assert list_app("mine", *PROTECTED, category=AppCategory.HEALTH).never
    wider = list_app("wider", ("web", "domain", "*.google.com"))
    assert not wider.never, "a wider mark is not refused: at the agent, never beats it"


def test_a_mark_means_one_app_however_it_is_spelt_and_a_signer_many(database: Any) -> None:
    from consent.exceptions import ChangeUnfit, MatcherTaken

    signer = ("windows", "signer", "Desk Ltd")
    list_app("a", ("macos", "bundle_id", "com.desk.A"), ("windows", "executable", "a.exe"), signer)
    list_app("b", ("windows", "executable", "b.exe"), signer)

    with pytest.raises(MatcherTaken):
        list_app("c", ("macos", "bundle_id", "com.desk.a"))
    with pytest.raises(MatcherTaken):
        list_app("c", ("windows", "executable", "a.exe"))
    with pytest.raises(ChangeUnfit, match="taken"):
        list_app("a", ("web", "domain", "elsewhere.example"))
    list_app("c", ("linux", "executable", "a.exe"))


ODD: list[tuple[dict[str, Any], str]] = [
    ({"counterparties": ["XX"], "data_of": "customers"}, "no rules are known for XX"),
    ({"counterparties": [], "data_of": "customers"}, "name places"),
    ({"data_of": "nobody"}, "data_of"),
    ({"name": " "}, "name"),
    ({"counterparties_masked": "no"}, "counterparties_masked"),
]


def test_an_odd_description_is_refused(database: Any) -> None:
    from consent.exceptions import ChangeUnfit

    for differs, said in ODD:
        with pytest.raises(ChangeUnfit, match=said):
            list_app("desk", ("web", "domain", "desk.example"), **differs)


# --- asking for apps --------------------------------------------------------------------------


def test_a_purpose_may_ask_for_an_app_and_no_longer(database: Any) -> None:
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world()
    world.say_yes()
    app, click = world.apps["tracker"], [Signal.MOUSE_CLICK]
    asked = {"purpose": world.purpose, "app": app, "actor": factories.OFFICER}

    (taken,) = services.disallow_in_purpose(**asked, signals=click)

    assert taken.delisted_at is not None
    assert codes(world.subject, "tracker") == ("signal_not_listed",)
    assert codes(world.subject, "tracker", "scroll") == ()
    before = entries(database)
    assert services.disallow_in_purpose(**asked, signals=click) == []
    assert entries(database) == before

    assert len(services.allow_in_purpose(**asked, signals=[*click, *click, Signal.SCROLL])) == 1
    assert services.allow_in_purpose(**asked, signals=click) == []
    assert entries(database) == before + 1


def test_nobody_may_ask_for_what_is_never_captured_or_reported(database: Any) -> None:
    from consent import services
    from consent.exceptions import NeverCapturable
    from consent.policy.types import AppCategory, Signal

    world = factories.make_world()
    pay = list_app("pay", ("web", "domain", "pay.example"), category=AppCategory.HR)
    report(world.apps["sheet"])

    for app in (pay, world.apps["sheet"]):
        with pytest.raises(NeverCapturable):
            services.allow_in_purpose(
                purpose=world.purpose, app=app, signals=[Signal.KEY_META], actor=factories.OFFICER
            )


# --- reports ----------------------------------------------------------------------------------


def test_a_report_blocks_at_once_and_agents_are_told(database: Any) -> None:
    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    before = policy_of(agent)
    assert "tracker" in before["apps"]

    report(world.apps["tracker"])

    for signal in ("mouse_click", "scroll", CONTENT):
        assert codes(world.subject, "tracker", signal) == ("never_category",)
    after = policy_of(agent)
    assert after["version"] > before["version"]
    assert [line["app"] for line in after["allow"]] == ["sheet"]
    assert "tracker" not in after["apps"]
    assert ("web", "domain", "tracker.example") in never_of(after)
    told = [line for line in after["deny"] if "tracker" in line["apps"]]
    assert {reason for line in told for reason in line["reasons"]} == {"never_category"}


def test_the_ledger_says_which_app_and_not_who(database: Any) -> None:
    world = factories.make_world()

    report(world.apps["tracker"], world.subject.ref)

    (body,) = bodies(database, "app.reported")
    assert body["data"] == {"app": "tracker"}
    assert body["subject"] is None
    assert str(world.subject.ref) not in json.dumps(body)
    assert database.sql("SELECT reporter, suspected FROM consent_appreport") == [
        (world.subject.ref, "health")
    ]


def test_repeated_reports_are_harmless(database: Any) -> None:
    world = factories.make_world()
    app, reporter = world.apps["tracker"], uuid4()

    first = report(app, reporter)
    again = report(app, reporter, suspected="banking")

    assert again == first
    assert len(bodies(database, "app.reported")) == 1
    report(app)
    assert database.sql("SELECT count(*) FROM consent_appreport") == [(2,)]


def test_two_reports_at_the_same_moment_leave_one_each(database: Any) -> None:
    from django.db import connections

    world = factories.make_world()
    people = [uuid4(), uuid4()] * 2
    failed: list[BaseException] = []

    def work(who: UUID) -> None:
        try:
            report(world.apps["tracker"], who)
        except BaseException as error:  # noqa: BLE001  whatever it is, the test must see it
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert database.sql("SELECT count(*) FROM consent_appreport") == [(2,)]


def test_a_report_names_a_kind_that_is_never_captured(database: Any) -> None:
    from consent.exceptions import ReportUnfit

    world = factories.make_world()

    with pytest.raises(ReportUnfit):
        report(world.apps["tracker"], suspected="office")

    assert codes(world.subject, "tracker") != ("never_category",)


def test_unblocking_settles_every_report(database: Any) -> None:
    from consent import services

    world = factories.make_world()
    world.say_yes()
    app = world.apps["tracker"]
    for _ in range(3):
        report(app)

    factories.unblock(app)
    services.unblock_app(app=app, actor=factories.OFFICER)

    assert codes(world.subject, "tracker") == ()
    assert len(bodies(database, "app.unblocked")) == 1
    assert database.sql("SELECT count(*), count(settled_at) FROM consent_appreport") == [(3, 3)]
    report(app)
    assert codes(world.subject, "tracker") == ("never_category",)


def test_unblocking_opens_no_protected_kind(database: Any) -> None:
    world = factories.make_world()
    world.say_yes()
    app = change(world.apps["tracker"], category="hr")
    report(app)

    factories.unblock(app)

    assert codes(world.subject, "tracker") == ("never_category",)


# --- changes ----------------------------------------------------------------------------------


def test_a_changed_app_is_recognised_by_its_new_marks_alone(database: Any) -> None:
    world = factories.make_world()
    world.say_yes()
    app = world.apps["tracker"]
    agent = factories.make_agent(world.subject)

    change(app, name="Tickets", matchers=[["web", "domain", "*.tickets.example"]])

    document = policy_of(agent)["apps"]["tracker"]
    assert document["name"] == "Tickets"
    assert [mark["value"] for mark in document["matchers"]] == ["*.tickets.example"]
    ever = database.sql(
        "SELECT m.value, m.retired_at IS NULL FROM consent_appmatcher m"
        " JOIN consent_app a ON a.id = m.app_id WHERE a.code = 'tracker' ORDER BY m.id"
    )
    assert ever == [("tracker.example", False), ("*.tickets.example", True)]
    (body,) = bodies(database, "app.changed")
    assert body["data"]["fields"] == ["matchers", "name"]
    list_app("other", ("web", "domain", "tracker.example"))  # the mark is free again


def test_a_change_that_changes_nothing_leaves_no_trace(database: Any) -> None:
    world = factories.make_world()
    app = world.apps["tracker"]
    before = entries(database)

    change(app, name=app.name, category="tracker", matchers=[["web", "domain", "tracker.example"]])

    assert entries(database) == before


CANNOT_BE: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "ChangeUnfit"),
    ({"code": "other"}, "ChangeUnfit"),
    ({"blocked_at": None}, "ChangeUnfit"),
    ({"category": "astrology"}, "ChangeUnfit"),
    ({"data_of": "colleagues", "counterparties": []}, "ChangeUnfit"),
    ({"matchers": [["web", "domain"]]}, "ChangeUnfit"),
    ({"matchers": [["beos", "domain", "x.example"]]}, "ChangeUnfit"),
    ({"matchers": [["web", "domain", "*.example"]]}, "PatternUnfit"),
    ({"matchers": [["web", "domain", "SHEET.example"]]}, "PatternUnfit"),
    ({"matchers": [["web", "domain", "sheet.example"]]}, "MatcherTaken"),
]


def test_a_change_that_cannot_be_is_refused_whole(database: Any) -> None:
    from consent import exceptions

    world = factories.make_world()
    before = entries(database)

    for fields, error in CANNOT_BE:
        with pytest.raises(getattr(exceptions, error)):
            change(world.apps["tracker"], name="Never stored", **fields)

    assert entries(database) == before
    assert database.sql("SELECT name FROM consent_app WHERE code = 'tracker'") == [("Tracker",)]


def test_a_reported_app_stays_blocked_whatever_else_is_changed(database: Any) -> None:
    world = factories.make_world()
    world.say_yes()
    app = world.apps["tracker"]
    report(app)

    marks = [["web", "domain", host] for host in ("t2.example", "tracker.example")]
    change(app, category="office", data_of="own", matchers=marks)

    assert codes(world.subject, "tracker") == ("never_category",)


LEAVES: list[tuple[str, dict[str, Any], bool]] = [
    ("tracker", {"category": "office"}, False),
    ("tracker", {"category": "hr"}, False),
    ("tracker", {"name": "Other"}, False),
    ("tracker", {"matchers": [["web", "domain", "t2.example"]]}, False),
    ("tracker", {"matchers": [["web", "domain", "acme.workday.com"]]}, True),
    ("tracker", {"category": "hr", "matchers": [["web", "domain", "x.workday.com"]]}, False),
    ("pay", {"category": "office"}, True),
    ("pay", {"category": "unknown"}, True),
    ("pay", {"category": "health"}, False),
    ("pay", {"name": "Other"}, False),
    ("pay", {"matchers": [["web", "domain", "pay2.example"]]}, True),
    ("pay", {"matchers": []}, True),
    ("sheet", {"matchers": [["web", "domain", "sheet2.example"]]}, True),
    ("sheet", {"category": "design"}, False),
]


def test_what_may_let_protected_things_through_is_known_beforehand(database: Any) -> None:
    from consent import services
    from consent.models import App
    from consent.policy.types import AppCategory

    world = factories.make_world()
    list_app("pay", ("web", "domain", "pay.example"), category=AppCategory.HR)
    report(world.apps["sheet"])

    for code, fields, leaves in LEAVES:
        app = App.objects.get(code=code)
        assert services.leaves_protection(app, fields) is leaves, (code, fields)


def test_a_mark_let_out_once_needs_no_second_leave(database: Any) -> None:
    from consent import services

    world = factories.make_world()
    app = world.apps["tracker"]
    marks = [["web", "domain", "learning.workday.com"]]
    factories.mark_anew(app, marks)

    assert not services.leaves_protection(app, {"matchers": marks, "name": "Courses"})
    change(app, category="hr")
    assert services.leaves_protection(app, {"category": "knowledge"})


# --- whose words ------------------------------------------------------------------------------


def test_other_peoples_words_need_to_be_placed_or_masked(database: Any) -> None:
    from consent import services
    from consent.policy.types import Signal
    from consent.services import Pair

    world = factories.make_world("IE")
    app = world.apps["tracker"]
    pair = [(app.code, Signal(CONTENT))]
    services.allow_in_purpose(
        purpose=world.purpose, app=app, signals=[Signal(CONTENT)], actor=factories.OFFICER
    )
    services.give_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        pairs=[Pair(*one) for one in pair],
        language="en",
    )

    def words() -> set[str]:
        return set(codes(world.subject, "tracker", CONTENT))

    assert words() == set(), "one's own data is nobody else's"
    change(app, data_of="colleagues")
    assert words() == {"fact_unknown:counterparties"}
    change(app, counterparties=["IE"])
    assert words() == {"counterparty_unconsented"}
    change(app, counterparties_masked=True)
    assert words() == {"counterparty_unconsented"}, "a tick masks nobody"
    change(app, counterparties=["CN", "IE"])
    assert words() == {"counterparty_unconsented", "gates_open"}, "the others' law joins"
    assert codes(world.subject, "tracker") == ("signal_not_consented",), "for their words alone"
    change(app, counterparties=None)
    assert words() == {"fact_unknown:counterparties"}


# --- what agents are told ---------------------------------------------------------------------


def allow_more(world: Any, *marks: tuple[str, str, str], **differs: Any) -> None:
    from consent import services
    from consent.policy.types import Signal

    app = list_app("more", *marks, **differs)
    services.allow_in_purpose(
        purpose=world.purpose, app=app, signals=[Signal.MOUSE_CLICK], actor=factories.OFFICER
    )
    world.say_yes(("more", Signal.MOUSE_CLICK))


def test_where_nothing_is_allowed_the_catalogue_is_not_repeated(database: Any) -> None:
    from consent.policy.types import AppCategory

    world = factories.make_world()
    list_app("pay", ("web", "domain", "pay.example"), category=AppCategory.HR)

    document = policy_of(factories.make_agent(world.subject))

    assert never_of(document) == {("web", "domain", "pay.example")}


@pytest.mark.parametrize(
    ("marks", "category", "told"),
    [
        ([("web", "domain", "*.more.example")], "office", {"domain"}),
        ([("linux", "executable", "more")], "office", {"executable"}),
        ([("linux", "executable", "more")], "browser", {"executable", "domain"}),
        ([("windows", "executable", "more.exe")], "browser", set()),
        (
            [("linux", "executable", "more"), ("web", "domain", "more.example")],
            "office",
            {"executable", "domain"},
        ),
    ],
)
def test_the_catalogue_is_told_where_it_could_meet_what_is_allowed(
    database: Any, marks: list[tuple[str, str, str]], category: str, told: set[str]
) -> None:
    from consent import catalogue
    from consent.policy.types import AppCategory

    world = factories.make_world()
    allow_more(world, *marks, category=AppCategory(category))

    never = never_of(policy_of(factories.make_agent(world.subject)))  # an agent on Linux

    here = {"domain": "web", "executable": "linux"}
    assert never == {
        (platform.value, kind.value, value)
        for platform, kind, value in catalogue.never_matchers()
        if kind.value in told and here[kind.value] == platform
    }


def test_the_document_stays_small(database: Any) -> None:
    from consent.digests import canonical

    world = factories.make_world()
    agent = factories.make_agent(world.subject)
    before = len(canonical(policy_of(agent)))
    allow_more(world, ("web", "domain", "*.more.example"), ("linux", "executable", "more"))

    after = policy_of(agent)

    assert len(canonical(after["never"]["matchers"])) < 15_000
    assert len(canonical(after)) < before + 16_000


def test_an_app_that_nobody_asks_for_is_told_only_where_it_may_take_a_page_away(
    database: Any,
) -> None:
    world = factories.make_world()
    allow_more(world, ("web", "domain", "*.more.example"), ("linux", "executable", "more"))
    agent = factories.make_agent(world.subject)
    before = policy_of(agent)
    for number in range(3):
        list_app(f"other-{number}", ("web", "domain", f"other-{number}.example"))
    list_app("inside", ("web", "domain", "pay.more.example"))

    after = policy_of(agent)

    assert after["apps"].keys() == before["apps"].keys() | {"inside"}
    assert after["allow"] == before["allow"]


def test_the_agent_reads_all_of_it_and_turns_away_from_each_mark(database: Any) -> None:
    from sayso_agent import Policy, WindowFacts
    from sayso_agent.matching import App, NoApp

    world = factories.make_world()
    allow_more(world, ("web", "domain", "*.google.com"), ("linux", "executable", "more"))
    document = policy_of(factories.make_agent(world.subject))

    policy = Policy.parse(document)

    for _, kind, value in never_of(document):
        name = "host" if kind == "domain" else kind
        facts = WindowFacts(platform="linux", **{name: value.removeprefix("*.")})
        assert policy.find_app(facts) == NoApp("never"), value
    drive = policy.find_app(WindowFacts(platform="web", host="drive.google.com"))
    assert isinstance(drive, App)
    assert policy.find_app(WindowFacts(platform="web", host="mail.google.com")) == NoApp("never")


def test_a_vendor_is_not_closed_with_one_of_its_programs(database: Any) -> None:
    from sayso_agent import Policy, WindowFacts
    from sayso_agent.matching import App, NoApp

    world = factories.make_world()
    signer = ("windows", "signer", "Big Vendor Inc.")
    allow_more(world, ("windows", "executable", "more.exe"), signer)
    report(list_app("closed", ("windows", "executable", "closed.exe"), signer))

    document = policy_of(factories.make_agent(world.subject))

    policy = Policy.parse(document)
    assert not any(kind == "signer" for _, kind, _ in never_of(document))
    window = {"platform": "windows", "signer": "Big Vendor Inc."}
    assert isinstance(policy.find_app(WindowFacts(executable="more.exe", **window)), App)
    closed = WindowFacts(executable="closed.exe", **window)
    assert policy.find_app(closed) == NoApp("never")
    assert policy.find_app(WindowFacts(platform="windows", executable="closed.exe")) == NoApp(
        "never"
    )


def test_what_was_let_out_of_the_catalogue_is_recognised_and_nothing_else_of_it(
    database: Any,
) -> None:
    from sayso_agent import Policy, WindowFacts
    from sayso_agent.matching import App, NoApp

    world = factories.make_world()
    allow_more(world, ("web", "domain", "more.example"))
    app = world.apps["tracker"]
    agent = factories.make_agent(world.subject)
    factories.mark_anew(app, [["web", "domain", "learning.workday.com"]])

    policy = Policy.parse(policy_of(agent))

    learning = policy.find_app(WindowFacts(platform="web", host="learning.workday.com"))
    assert isinstance(learning, App)
    for host in ("pay.myworkday.com", "www.verdi.de"):
        assert policy.find_app(WindowFacts(platform="web", host=host)) == NoApp("never")
    pay = policy.find_app(WindowFacts(platform="web", host="pay.workday.com"))
    assert pay == NoApp("app_not_allowlisted")
    report(app)
    policy = Policy.parse(policy_of(agent))
    assert policy.find_app(WindowFacts(platform="web", host="pay.workday.com")) == NoApp("never")


# --- all or nothing ---------------------------------------------------------------------------


def test_without_an_entry_nothing_is_changed(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world()
    tracker, sheet = world.apps["tracker"], world.apps["sheet"]
    report(sheet)
    asked = {"purpose": world.purpose, "app": tracker, "actor": factories.OFFICER}
    verbs = {
        "list": lambda: list_app("desk", ("web", "domain", "desk.example")),
        "change": lambda: change(tracker, name="X", matchers=[["web", "domain", "x.example"]]),
        "settle": lambda: change(tracker, category="office"),
        "report": lambda: report(tracker),
        "unblock": lambda: services.unblock_app(app=sheet, actor=factories.OFFICER),
        "allow": lambda: services.allow_in_purpose(**asked, signals=[Signal.KEY_META]),
        "disallow": lambda: services.disallow_in_purpose(**asked, signals=[Signal.SCROLL]),
    }
    state = """
        SELECT (SELECT json_agg(a ORDER BY id)::text FROM consent_app a),
          (SELECT json_agg(m ORDER BY id)::text FROM consent_appmatcher m),
          (SELECT json_agg(r ORDER BY id)::text FROM consent_appreport r),
          (SELECT json_agg(l ORDER BY id)::text FROM consent_allowlistentry l),
          (SELECT count(*) FROM consent_cohortpolicy)
    """
    before = database.sql(state)

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger, "append", fail)
    for verb, act in verbs.items():
        with pytest.raises(ZeroDivisionError):
            act()

        assert database.sql(state) == before, verb
