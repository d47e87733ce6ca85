"""A machine tells of its person's pause under a name of its own: told again, it changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests import factories


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.fixture
def token(world: factories.World) -> str:
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    fresh = new_token()
    agent = factories.make_agent(world.subject)
    AgentToken.objects.create(agent=agent, sha256=token_hash(fresh))
    return fresh


def tell(token: str, body: Any, content_type: str = "application/json") -> Any:
    bearer = {"Authorization": f"Bearer {token}"}
    return Client().post("/api/v1/pauses", body, content_type=content_type, headers=bearer)


def is_paused(world: factories.World) -> bool:
    from consent import selectors

    return selectors.is_paused(world.subject)


def resume(world: factories.World) -> None:
    from consent import services

    services.resume_capture(subject=world.subject)


def entries(database: Any) -> int:
    found = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'capture.paused'")
    return int(found[0][0])


def test_told_again_after_a_resume_it_changes_nothing(
    world: factories.World, token: str, database: Any
) -> None:
    name = str(uuid4())
    first = tell(token, {"pause": name})
    resume(world)

    again = tell(token, {"pause": name})

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json(), "what is told again is answered as it was"
    assert not is_paused(world)
    assert entries(database) == 1


def test_so_it_is_where_the_person_had_paused_in_the_browser_before(
    world: factories.World, token: str
) -> None:
    from consent import services

    services.pause_capture(subject=world.subject)
    name = str(uuid4())
    tell(token, {"pause": name})
    resume(world)

    tell(token, {"pause": name})

    assert not is_paused(world)


def test_another_pause_pauses(world: factories.World, token: str) -> None:
    tell(token, {"pause": str(uuid4())})
    resume(world)

    tell(token, {"pause": str(uuid4())})

    assert is_paused(world)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({}, "application/json"),
        ("", "application/json"),
        ("{", "application/json"),
        ([1], "application/json"),
        ({"pause": "mine"}, "application/json"),
        ({"pause": None}, "application/json"),
        ("pause=1", "application/x-www-form-urlencoded"),
    ],
)
def test_without_a_name_that_can_be_read_it_pauses_each_time(
    world: factories.World, token: str, database: Any, body: Any, content_type: str
) -> None:
    """Older agents tell none, and nothing that is wrong with a body may be in a pause's way."""
    for _ in range(2):
        assert tell(token, body, content_type).status_code == 200
        assert is_paused(world)
        resume(world)
    assert database.sql("SELECT count(*) FROM consent_toldpause") == [(0,)]


def test_the_same_name_used_by_another_person_still_pauses(
    world: factories.World, token: str
) -> None:
    from consent import services

    name = uuid4()
    services.pause_from_machine(agent=factories.make_agent(world.another_subject()), ref=name)

    tell(token, {"pause": str(name)})

    assert is_paused(world)


def test_told_several_times_at_once_it_is_one_pause(
    world: factories.World, token: str, database: Any
) -> None:
    """As where an agent's connection broke and it tells it again while the first is at work."""
    name = str(uuid4())

    def told(_: int) -> Any:
        try:
            return tell(token, {"pause": name})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(told, range(4)))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.content for answer in answers}) == 1
    assert entries(database) == 1


def test_what_fails_leaves_no_name_behind(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed and not done: told again, it pauses."""
    from audit import ledger
    from consent import services

    agent, name = factories.make_agent(world.subject), uuid4()

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", fails)
        with pytest.raises(RuntimeError):
            services.pause_from_machine(agent=agent, ref=name)
    assert not is_paused(world)
    assert database.sql("SELECT count(*) FROM consent_toldpause") == [(0,)]

    services.pause_from_machine(agent=agent, ref=name)

    assert is_paused(world)


def test_ever_new_names_are_not_remembered_for_ever(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent import services
    from consent.services import pauses

    monkeypatch.setattr(pauses, "REMEMBERED", 3)
    agent, names = factories.make_agent(world.subject), [uuid4() for _ in range(8)]
    other = factories.make_agent(world.another_subject())
    services.pause_from_machine(agent=other, ref=names[0])

    for name in names:
        services.pause_from_machine(agent=agent, ref=name)

    kept = database.sql("SELECT ref FROM consent_toldpause ORDER BY id")
    assert kept == [(name,) for name in (names[0], *names[-3:])]


ACTS = st.sampled_from([UUID(int=1), UUID(int=2), None, "pause", "resume"])


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=st.lists(ACTS, max_size=8))
def test_only_a_new_wish_pauses_and_only_the_person_resumes(
    world: factories.World, acts: list[Any]
) -> None:
    from consent import selectors, services

    subject = world.another_subject()
    agent = factories.make_agent(subject)
    told: dict[UUID, int] = {}
    paused = False
    for act in acts:
        if act == "resume":
            services.resume_capture(subject=subject)
            paused = False
        elif act == "pause":
            services.pause_capture(subject=subject)
            paused = True
        else:
            after = services.pause_from_machine(agent=agent, ref=act)
            paused = paused or act not in told
            if act is not None:
                assert told.setdefault(act, after) == after
        assert selectors.is_paused(subject) is paused
