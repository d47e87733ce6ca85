"""The figures of the overview pages: exact where they are of enough people, else always alike."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import factories
from tests.integration.test_explain_to_others import shape
from tests.integration.test_ledger_to_others import DOES
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)

PAGES = {
    "/privacy/": "privacy_officer",
    "/council/": "works_council",
    "/releases/": "ml_steward",
    "/status": "manager",
    "/manager/": "manager",
    "/privacy/tickets/": "operator",
    "/privacy/readiness/": "privacy_officer",
}


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.fixture(autouse=True)
def store(tmp_path: Any, settings: Any) -> None:
    settings.STORES = {"files": {"kind": "filesystem", "root": tmp_path / "store"}}


def seen(client: Client, path: str) -> tuple[str, list[str]]:
    with CaptureQueriesContext(connection) as caught:
        answer = client.get(path)
    assert answer.status_code in {200, 503}
    drawn = r'name="(?:csrfmiddlewaretoken|request)" value="[^"]+"|nonce="[^"]+"'
    text = re.sub(drawn, "", answer.content.decode())
    # The time of a look differs from look to look.
    return re.sub(r"<time.*?</time>", "", text, flags=re.DOTALL), shape(caught)


def test_no_page_differs_by_one_persons_choice_while_the_group_is_small(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Person by person one more choice of another kind, each page as it was, query for query."""
    from datetime import timedelta

    from portal.pages import status

    # Nobody signs here, which `/status` would say after a minute.
    monkeypatch.setattr(status, "SIGNING_IS_LATE", timedelta(days=1))
    clients = {role: signed_in(role) for role in set(PAGES.values())}
    people = [world.another_subject() for _ in range(len(DOES) + 3)]
    for path, role in PAGES.items():
        seen(clients[role], path)  # what is remembered from page to page is warm
    before = {path: seen(clients[role], path) for path, role in PAGES.items()}

    for does, world.subject in zip(DOES, people, strict=False):
        does(world)

        for path, role in PAGES.items():
            assert seen(clients[role], path) == before[path], (does.__name__, path)
    assert "not shown" in before["/privacy/"][0]


def publish(*, days: int = 0) -> None:
    """What the worker does on a day."""
    from datetime import timedelta

    from portal.answers import publish_answers
    from portal.counts import publish_counts

    at = timezone.now() + timedelta(days=days)
    publish_answers(at=at)
    publish_counts(at=at)


def has_handed_in(world: factories.World) -> None:
    world.say_yes()
    agent = factories.make_agent(world.subject)
    factories.hand_in(agent, factories.make_policy(agent), str(world.subject.ref).encode())


def takes_it_back(world: factories.World) -> None:
    from consent import services

    services.withdraw_consent(subject=world.subject, purpose="train-agents")


def test_no_page_differs_by_what_one_or_two_people_do_in_a_large_group(
    world: factories.World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three are enough: numbers are there, and move for nobody's act alone, nor for two days."""
    from datetime import timedelta

    from portal.pages import status

    monkeypatch.setattr(status, "SIGNING_IS_LATE", timedelta(days=1))
    settings.SMALLEST_GROUP = 3
    people = [world.another_subject() for _ in range(14)]
    for world.subject in people[:8]:
        has_handed_in(world)
    for world.subject in people[:4]:
        takes_it_back(world)
    publish()
    publish(days=1)  # answers are told of days that are over
    paths = {path: role for path, role in PAGES.items() if path != "/status"}
    clients = {role: signed_in(role) for role in set(paths.values())}
    for path, role in paths.items():
        seen(clients[role], path)
    before = {path: seen(clients[role], path) for path, role in paths.items()}
    assert re.search(r"<dt>Recordings kept</dt>\s*<dd>8</dd>", before["/privacy/"][0])
    assert re.search(r"<dt>Deletions owed</dt>\s*<dd>4</dd>", before["/privacy/"][0])

    for day, (world.subject, does) in enumerate(
        [(people[8], has_handed_in), (people[8], takes_it_back), (people[4], takes_it_back)]
    ):
        does(world)
        assert {path: seen(clients[role], path) for path, role in paths.items()} == before
        publish(days=day + 2)
        assert {path: seen(clients[role], path) for path, role in paths.items()} == before

    world.subject = people[5]
    takes_it_back(world)
    assert seen(clients["privacy_officer"], "/privacy/") == before["/privacy/"]
    publish(days=5)
    after = seen(clients["privacy_officer"], "/privacy/")[0]
    assert re.search(r"<dt>Deletions owed</dt>\s*<dd>7</dd>", after), "three have changed it"


def figure(figures: list[dict[str, Any]], label: str) -> int | None:
    [value] = [one["value"] for one in figures if one["label"] == label]
    return value


@pytest.mark.parametrize(
    ("doers", "told"), [(0, False), (1, False), (2, False), (3, True), (5, True), (6, False)]
)
def test_a_figure_is_told_where_enough_are_in_it_and_enough_are_not(
    world: factories.World, database: Any, settings: Any, doers: int, told: bool
) -> None:
    """Eight people, three of whom are enough: some have a machine, hand in and take back."""
    from consent import services
    from portal import figures

    settings.SMALLEST_GROUP = 3
    people = [world.subject, *(world.another_subject() for _ in range(7))]
    for world.subject in people[:doers]:
        world.say_yes()
        agent = factories.make_agent(world.subject)
        policy = factories.make_policy(agent)
        for content in (b"one", b"two"):
            factories.hand_in(agent, policy, content)
    publish()
    kept = figures.overview(), figures.kept_by_purpose()
    for person in people[:doers]:
        services.withdraw_consent(subject=person, purpose="train-agents")
    publish(days=1)
    owed = figures.overview()

    assert figure(kept[0], "People") == 8
    assert figure(kept[0], "Connected machines") == (doers if told else None)
    assert figure(kept[0], "Recordings kept") == (2 * doers if told else None)
    assert kept[1] == [{"label": "Train computer-use agents", "value": 2 * doers if told else None}]
    assert figure(owed, "Deletions owed") == (doers if told else None)


def test_answers_are_told_as_the_report_tells_them(world: factories.World, settings: Any) -> None:
    """Six of fifteen said yes: with the answers that nobody gave, the six are hidden too."""
    from datetime import timedelta

    from portal import figures
    from portal.answers import publish_answers

    settings.SMALLEST_GROUP = 2
    people = [world.subject, *(world.another_subject() for _ in range(14))]
    for world.subject in people[:6]:
        world.say_yes()
    publish_answers(at=timezone.now() + timedelta(days=1))

    told = {answer["label"]: answer["value"] for answer in figures.answers()}

    assert list(told) == ["Yes", "No", "Not now", "Taken back", "Ended otherwise", "No answer"]
    assert {label: value for label, value in told.items() if value is not None} == {"No answer": 8}


def test_fewer_people_than_a_group_are_not_counted(world: factories.World, settings: Any) -> None:
    from portal import figures

    settings.SMALLEST_GROUP = 2
    assert figure(figures.overview(), "People") is None
    world.another_subject()
    assert figure(figures.overview(), "People") == 2


def certify(world: factories.World, weeks_ago: int, count: int) -> None:
    """So many people's deletions, certified in one week."""
    import hashlib
    from datetime import timedelta
    from uuid import uuid4

    from django.db import transaction

    from audit import events, ledger
    from consent import services
    from retention.models import Certificate, DeletionCase, DeletionJob

    for _ in range(count):
        person = world.another_subject()
        services.forget_last(subject=person, minutes=10)
        case = DeletionCase.objects.get(subject=person)
        digest = hashlib.sha256(uuid4().bytes).hexdigest()
        with transaction.atomic():
            job = DeletionJob.objects.create(
                case=case, store="files", batches=[], state="certified"
            )
            made = Certificate.objects.create(
                job=job,
                evidence_level="E2",
                statement={},
                sha256=digest,
                nothing_remains_after=timezone.now().date(),
                recorded_at=timezone.now() - timedelta(weeks=weeks_ago),
            )
            said = events.DeletionCertified(
                store="files", evidence="E2", objects=0, certificate_digest=digest, case=case.uuid
            )
            ledger.append(said, actor=factories.OFFICER, covers=[made])


@pytest.mark.parametrize(
    ("by_week", "shown"),
    [
        ({1: 2}, {}),  # too few in all
        ({1: 3}, {}),  # one week's would follow from the total
        ({1: 3, 2: 4}, {2: 4}),  # the smaller is hidden with the weeks of none
        ({0: 5, 1: 3, 2: 4}, {2: 4}),  # this week is not told before it is over
        ({1: 3, 2: 4, 3: 1, 4: 2}, {1: 3, 2: 4}),
        ({1: 4, 2: 5, 20: 1}, {2: 5}),  # what is long ago counts as a week of its own
        ({1: 4, 2: 5, 20: 3}, {1: 4, 2: 5}),
    ],
)
def test_a_week_of_few_follows_from_no_other_figure(
    world: factories.World,
    settings: Any,
    by_week: dict[int, int],
    shown: dict[int, int],
) -> None:
    from datetime import timedelta

    from portal import figures

    settings.SMALLEST_GROUP = 3
    for weeks_ago, count in by_week.items():
        certify(world, weeks_ago, count)

    weeks = figures.deletions_by_week()

    monday = timezone.now().date() - timedelta(days=timezone.now().weekday())
    ago = range(1, 9)
    labels = {weeks_ago: f"{monday - timedelta(weeks=weeks_ago):%-d %b}" for weeks_ago in ago}
    assert [week["label"] for week in weeks] == [labels[n] for n in reversed(ago)]
    told = {week["label"]: week["value"] for week in weeks if week["value"] is not None}
    assert told == {labels[weeks_ago]: count for weeks_ago, count in shown.items()}


def test_that_deletions_fail_is_said_to_officers_and_counted_for_many_alone(
    world: factories.World, settings: Any
) -> None:
    from portal import figures
    from retention.models import DeletionCase, DeletionJob

    settings.SMALLEST_GROUP = 3
    assert not [one for one in figures.todo() if one["tone"] == "bad"]
    people = [world.another_subject() for _ in range(7)]
    for number, person in enumerate(people[:3], start=1):
        fail(person, world)

        [bad] = [one for one in figures.todo() if "failed" in one["text"]]
        assert bad["count"] == ("some" if number < 3 else "of 3 people or more")
        parts = Client().get("/status").content.decode()
        assert ("Some failed, and are tried again." in parts) is (number == 3)
    assert DeletionCase.objects.count() == DeletionJob.objects.count() == 3


def fail(person: Any, world: factories.World) -> None:
    """One deletion of this person's, of something kept, that went wrong."""
    from django.db import transaction

    from audit import events, ledger
    from consent import services
    from retention.models import Batch, DeletionCase, DeletionJob

    world.subject = person
    world.say_yes()
    agent = factories.make_agent(person)
    factories.hand_in(agent, factories.make_policy(agent), b"kept")
    services.withdraw_consent(subject=person, purpose="train-agents")
    with transaction.atomic():
        case = DeletionCase.objects.get(subject=person)
        [batch] = Batch.objects.filter(subject=person).values_list("uuid", flat=True)
        job = DeletionJob.objects.create(
            case=case, store="files", batches=[batch], failure="store_unreachable"
        )
        ledger.append(
            events.DeletionFailed(
                store="files", reason="store_unreachable", attempts=1, case=case.uuid
            ),
            actor=factories.OFFICER,
            covers=[case, job],
        )


@pytest.mark.usefixtures("world")
def test_a_kind_of_report_is_chosen_beforehand_where_the_address_names_one() -> None:
    officer = signed_in("privacy_officer")

    named = officer.get("/privacy/reports/?kind=batches").content.decode()
    odd = officer.get("/privacy/reports/?kind=nothing").content.decode()

    assert '<option value="batches" selected>' in named
    assert "selected" not in odd[odd.index('id="id_kind"') : odd.index("</select>")]
