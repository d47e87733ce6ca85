"""Pages of changes and apps say words for codes, and offer only what can be done."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from consent.selectors.proposals import DiffRow
from portal.pages.changes import words
from tests import factories
from tests.integration.test_change_pages import only, propose
from tests.integration.test_pages import signed_in


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.fixture
def officer(world: Any) -> Client:
    return signed_in("privacy_officer")


def shown(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_a_list_says_what_comes_and_goes_in_words(officer: Client, database: Any) -> None:
    answer = propose(
        officer, "allowlist.change", purpose="train-agents", app="tracker", remove=["scroll"]
    )
    assert answer.status_code == 302, answer.content.decode()

    page = shown(officer, f"/privacy/changes/{only(database)}/").partition("<main")[2]

    assert "<dt>Taken away</dt><dd>Scrolling</dd>" in page
    assert "<dt>Added</dt>" not in page
    assert "mouse_click" not in page
    assert "train-agents" not in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("signals", ["key_meta", "scroll"], "Special keys and shortcuts, Scrolling"),
        ("jurisdictions", ["CA-QC"], "Quebec (CA-QC)"),
        ("apps", ["tracker", "nowhere"], "Tracker, nowhere"),
        ("purposes", ["train-agents"], "Train computer-use agents"),
        ("category", "hr", "HR"),
        ("council_may_veto", True, "yes"),
        ("retention_cap_days", 60, "60"),
        ("valid_until", None, ""),
        (
            "evidence",
            [{"jurisdiction": "DE", "gate": "dpia"}],
            "Jurisdiction: Germany (DE); Gate: Dpia",
        ),
    ],
)
def test_a_value_is_said_in_words(world: Any, field: str, value: Any, words: str) -> None:
    from portal.pages.changes.values import in_words

    assert in_words(field, value) == words


def test_a_proposal_about_a_setting_says_which_one_in_words(officer: Client, database: Any) -> None:
    propose(officer, "setting.change", key="lease_seconds", value="1800")

    for path in ("/privacy/changes/", f"/privacy/changes/{only(database)}/"):
        page = shown(officer, path)
        assert "How long a policy lives, in seconds" in page
        assert "lease_seconds" not in page
    assert "<h3>As the program came with it</h3>" in page


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("lease_seconds", "1800", "stop later: it may go on recording for up to 30 minutes after"),
        ("lease_seconds", "90", "stops earlier: 90 seconds after a stop at the latest"),
        ("poll_seconds", "60", "may hear of a stop later: they ask again after 1 minute,"),
        ("poll_seconds", "10", "hear of a stop earlier: they ask again after 10 seconds,"),
        ("embargo_seconds", "3600", "longer to have the last minutes forgotten"),
        ("spool_seconds", "604800", "may lie on machines for longer: 7 days"),
        ("spool_seconds", "3600", "lies on machines less long: 1 hour, where it is"),
    ],
)
def test_a_preview_says_what_a_setting_means_for_a_stop(
    officer: Client, database: Any, key: str, value: str, words: str
) -> None:
    propose(officer, "setting.change", key=key, value=value)

    page = shown(officer, f"/privacy/changes/{only(database)}/")

    assert words in " ".join(page.split())
    assert "Nobody gains or loses anything today." not in page


def test_less_embargo_is_less_time_to_have_something_forgotten(
    officer: Client, database: Any
) -> None:
    propose(officer, "setting.change", key="embargo_seconds", value="3600")
    propose(officer, "setting.change", key="embargo_seconds", value="60")

    page = shown(officer, f"/privacy/changes/{only(database)}/")

    assert "1 minute, where it is 1 hour now" in " ".join(page.split())


def test_every_setting_about_time_says_what_it_means_both_ways() -> None:
    from consent.selectors.settings import KNOBS
    from portal.pages.changes import settingwords

    timed = {key for key in KNOBS if key.endswith("_seconds")}

    assert set(settingwords.MORE) == set(settingwords.LESS) == timed


def test_who_has_no_first_page_with_rooms_finds_the_others_here(officer: Client) -> None:
    page = shown(signed_in("auditor"), "/privacy/changes/")

    assert 'href="/privacy/gates/"' in page
    assert 'class="rooms"' not in shown(officer, "/privacy/changes/")
    assert "What is proposed, its effect, and who agreed" not in page, "that is this very page"


def test_a_setting_shows_what_is_in_force_and_how_far_it_may_go(officer: Client) -> None:
    from consent import selectors

    now = selectors.setting("lease_seconds")

    assert f"now {now}, from 60 to 3600" in shown(officer, "/privacy/changes/new/setting.change/")


def test_nothing_is_offered_for_adoption_where_nothing_differs(officer: Client) -> None:
    page = shown(officer, "/privacy/changes/new/rules.adopt/")

    assert "None differs" in page
    assert 'name="codes"' not in page


@pytest.mark.parametrize("role", ["auditor", "operator", "manager", "ml_steward"])
def test_whoever_is_signed_in_reports_an_app_and_blocks_it(
    world: Any, database: Any, role: str
) -> None:
    person = signed_in(role)
    assert person.get("/you/apps/report/").status_code == 200

    answer = person.post("/you/apps/report/", {"app": "tracker", "suspected": "health"})

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert database.sql("SELECT code FROM consent_app WHERE blocked_at IS NOT NULL") == [
        ("tracker",)
    ]
    assert database.sql(
        "SELECT count(*) FROM audit_entry e JOIN audit_private p ON p.entry_id = e.id"
        " JOIN portal_user u ON u.ref::text = p.actor_ref"
        " WHERE e.type = 'app.reported' AND p.actor_kind = 'staff'"
    ) == [(1,)]


def test_a_stranger_reports_nothing(world: Any, database: Any) -> None:
    answer = Client().post("/you/apps/report/", {"app": "tracker", "suspected": "health"})

    assert answer.status_code == 302
    assert database.sql("SELECT count(*) FROM consent_appreport") == [(0,)]


def test_an_app_of_ones_own_data_speaks_of_nobody_else(officer: Client, world: Any) -> None:
    from consent.models import App

    app = App.objects.get(code="tracker")
    assert ("Other people are in" in shown(officer, "/privacy/apps/tracker/")) is (
        app.data_of != "own"
    )
    assert "/you/apps/report/?app=tracker" in shown(officer, "/privacy/apps/tracker/")


def test_steps_are_folded_by_place(officer: Client) -> None:
    page = shown(officer, "/privacy/gates/")

    assert page.count("<details") == page.count("</details>") >= 1
    assert "<summary>" in page


def listed(client: Client, query: str) -> str:
    return shown(client, f"/privacy/catalogue/{query}").partition("<tbody")[2]


def test_the_catalogue_is_searched_by_name_kind_and_mark(officer: Client) -> None:
    from consent.catalogue import known_apps

    everything = shown(officer, "/privacy/catalogue/")
    assert f"of {len(known_apps())}" in everything

    for query in ("?name=jIrA", "?name=atlassian.net", "?category=tracker"):
        assert "Jira" in listed(officer, query), query
    assert "Jira" not in listed(officer, "?category=office")
    assert "No app matches" in shown(officer, "/privacy/catalogue/?name=no-such-app-at-all")


def test_an_app_of_the_catalogue_fills_the_form(officer: Client) -> None:
    page = shown(officer, "/privacy/changes/new/app.list/?known=jira")

    assert 'value="jira"' in page
    assert 'value="Jira and Confluence"' in page
    assert '<option value="tracker" selected>' in page
    assert "web domain" in page


def test_what_is_never_recorded_is_not_offered_for_listing(officer: Client, world: Any) -> None:
    page = shown(officer, "/privacy/catalogue/?category=banking")

    assert "Never recorded" in page
    assert "known=" not in page
    auditor = signed_in("auditor")
    assert "known=" not in shown(auditor, "/privacy/catalogue/?name=jira")


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("notice.texts.de.sections.retention", "Notice in German: How long it is kept"),
        ("texts.en.sections.summary", "Notice in English: In short"),
        ("retention_days", "Kept at most, in days"),
        ("notice.version", "Notice: version"),
    ],
)
def test_what_changes_is_called_by_its_name(field: str, label: str) -> None:
    (told,) = words.difference([DiffRow(field=field, before="a", after="b")])

    assert told["label"] == label


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ("earlier: no such text was adopted for DE", "The rules of before: no such text was ado"),
        ("texts.de.sections.rights: must not be empty", "Notice in German: Your rights, and how"),
        ("fields.matchers: must name at least one", "How agents recognise it: must name at le"),
        ("valid_until: must come later", "Valid until: must come later"),
        ("An agreement binds that: it says no", "An agreement binds that: it says no"),
    ],
)
def test_what_is_wrong_elsewhere_than_in_the_form_is_said_in_words(refusal: str, said: str) -> None:
    from consent.exceptions import ChangeUnfit
    from portal.pages.changes.base import ChangeForm

    form = ChangeForm({})
    assert form.is_valid()

    form.add_refusal(ChangeUnfit(refusal))

    (told,) = form.non_field_errors()
    assert told.startswith(said)
    assert told.endswith(ChangeUnfit.next_step)
    assert not {"texts", "sections", "fields", "_"} & {*told, *told.replace(".", " ").split()}


def test_places_where_the_same_stands_in_the_way_are_told_in_one_sentence(
    world: factories.World,
) -> None:
    from consent.selectors.impact import Blocked, Impact
    from consent.selectors.outcomes import NO_LONGER
    from portal.pages.changes.words import effect

    def blocked(*places: str, reason: str = "agreement_does_not_cover", **more: Any) -> Blocked:
        found = {"purpose": "train-agents", "signals": ("scroll",), "agreement": "7", **more}
        return Blocked(jurisdictions=places, reason=reason, **found)

    impact = Impact(
        lines=(),
        blocked=(
            blocked(few=True, signals=()),
            blocked("DE"),
            blocked("DE", "FR"),
            blocked("PL", reason="gates_open", agreement=None),
            blocked("FI", reason="gates_open", agreement=None),
            blocked("FI", reason=NO_LONGER, signals=()),
            blocked("NL", signals=()),
            blocked(reason="unknown_jurisdiction", agreement=None),
        ),
        lose=0,
        gain=0,
        widens=False,
    )
    denied = f"{world.purpose.title}, Scrolling: still denied."
    few = "places of fewer than 10 people"
    unknown = "The rules of a place that applies are not known, or out of date"
    agreement, step = "Agreement 7 does not allow it.", "Something that must be done first has"

    assert effect(impact) == [
        f"{denied} {agreement} There: Germany (DE); Germany (DE) with France (FR).",
        f"{denied} {step} not been done. There: Poland (PL); Finland (FI).",
        f"{world.purpose.title} is kept no longer, by agreement 7. There: Finland (FI).",
        f"{world.purpose.title}: still denied. {agreement} There: Netherlands (NL); {few}.",
        f"{denied} {unknown}. There: people of whom no place is known.",
    ]


def test_every_known_app_can_be_reached_page_by_page(officer: Client) -> None:
    """Nothing of the catalogue is out of reach for whoever does not know its name."""
    import html
    import re

    from consent.catalogue import known_apps

    path, seen = "/privacy/catalogue/", list[str]()
    while path:
        page = shown(officer, path)
        seen += re.findall(r'<th scope="row"[^>]*><span>\s*(.*?)\s*</span>', page)
        more = re.search(r'href="(\?[^"]*)" rel="next"', page)
        path = f"/privacy/catalogue/{html.unescape(more[1])}" if more else ""

    assert sorted(map(html.unescape, seen)) == sorted(app.name for app in known_apps())
    searched = shown(officer, "/privacy/catalogue/?name=a&first=50")
    assert 'href="?name=a"' in searched, "what is searched for goes from page to page"


def test_places_and_steps_are_chosen_by_their_names(officer: Client) -> None:
    """Nobody need know by which code the rules call a place or a step."""
    evidence = shown(officer, "/privacy/changes/new/gate.close/")
    exception = shown(officer, "/privacy/changes/new/override.grant/")

    for page in (evidence, exception):
        assert '<option value="DE">Germany (DE)</option>' in page
        assert '<select name="jurisdiction"' in page
    assert ">Works agreement on the tool</option>" in evidence
    came = shown(
        officer, "/privacy/changes/new/gate.close/?jurisdiction=DE&gate=works_council_agreement"
    )
    assert '<option value="DE" selected>' in came


@pytest.mark.parametrize(
    ("lose", "gain", "said"),
    [
        (179, 0, "In all: among 179 people whoever said yes loses something; nobody gains."),
        (0, 1200, "In all: among 1,200 people whoever said yes gains something; nobody loses."),
        (None, 0, "In all: among (not shown) people whoever said yes loses something; nobody"),
        (20, None, "In all: among 20 people whoever said yes loses something, among (not shown)"),
    ],
)
def test_that_nobody_gains_or_loses_is_no_figure(
    lose: int | None, gain: int | None, said: str
) -> None:
    from consent.selectors.impact import Impact

    found = words.effect(Impact(lines=(), blocked=(), lose=lose, gain=gain, widens=False))

    assert found[0].startswith(said)
