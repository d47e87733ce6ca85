"""Which machines have stopped: the person sees it on their pages, by an ordinary reload."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import factories


@pytest.fixture
def world(database: Any) -> factories.World:
    made = factories.make_world()
    made.say_yes()
    return made


@pytest.fixture
def employee(world: factories.World) -> Client:
    from portal.models import User

    user = User.objects.create_user("a@example.org", "x" * 12, name="A", subject=world.subject)
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def obeying(world: factories.World) -> Any:
    """A machine that got its policy two minutes ago and said that it obeys."""
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent, ago=timedelta(minutes=2))
    obeys(agent, policy)
    return agent


def obeys(agent: Any, policy: Any, *, purged: bool = True) -> None:
    from consent import services

    services.acknowledge_policy(
        agent=agent,
        version=policy.version,
        applied_at=policy.issued_at + timedelta(seconds=1),
        purged=purged,
    )


def shown(client: Client, page: str = "/you/machines/") -> str:
    return " ".join(client.get(page).content.decode().split())


def test_after_a_withdrawal_the_person_sees_each_machine_stop(
    world: factories.World, employee: Client
) -> None:
    from consent import services

    heard, silent = obeying(world), obeying(world)
    assert "2 of 2 machines follow your latest choice." in shown(employee)

    services.withdraw_everything(subject=world.subject)
    at_once = shown(employee)
    new = factories.make_policy(heard, ago=timedelta(0))
    told = shown(employee)
    obeys(heard, new, purged=False)
    stopped = shown(employee)
    obeys(heard, new)
    purged = shown(employee)
    obeys(silent, factories.make_policy(silent, ago=timedelta(0)))

    assert "0 of 2 machines have stopped." in at_once
    assert at_once.count("It has not been heard of since") == 2
    assert at_once.count("What it had before ends by itself:") == 2
    assert "It has not said that it follows it. It was told:" in told
    assert "1 of 2 machines have stopped." in stopped
    assert "It has not yet erased all that may not stay on it." in stopped
    assert "1 of 2 machines have stopped." in purged
    assert "It has not yet erased" not in purged
    assert "Nothing that may not stay is left on it." in purged
    assert "2 of 2 machines have stopped." in shown(employee)
    assert "2 of 2 machines have stopped." in shown(employee, "/you/")


def test_a_lease_that_ended_by_itself_stops_a_machine_nobody_hears_of(
    world: factories.World, employee: Client
) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    factories.make_policy(agent, ago=timedelta(minutes=20))
    services.withdraw_everything(subject=world.subject)

    page = shown(employee)

    assert "1 of 1 machine has stopped." in page
    assert "What it had before has ended, so it can record nothing by it." in page


def test_a_machine_that_obeys_what_still_allows_has_not_stopped(
    world: factories.World, employee: Client
) -> None:
    """What ends by a rule is no choice of the person's: their machine follows them, and goes on."""
    from uuid import UUID

    from consent import services

    agent = obeying(world)
    services.pull_kill_switch(purpose=None, by=UUID(int=9), role="operator", reason="incident")

    assert "0 of 1 machine has stopped." in shown(employee)
    obeys(agent, factories.make_policy(agent, ago=timedelta(0)))
    assert "1 of 1 machine has stopped." in shown(employee)


def test_a_machine_that_never_asked_has_neither_stopped_nor_had_anything(
    world: factories.World, employee: Client
) -> None:
    factories.make_agent(world.subject)

    alone = shown(employee)
    obeying(world)
    beside = shown(employee)

    assert "It has not asked for its policy yet." in alone
    assert "What it had before" not in alone
    assert " of 1 machine" not in alone
    assert "2 of 2 machines follow your latest choice." in beside


@pytest.mark.parametrize("end", ["remove", "cut off"])
def test_a_policy_that_still_runs_is_not_called_ended(
    world: factories.World, employee: Client, end: str
) -> None:
    """The machine may be without a network: what it has ends by itself, and later."""
    from consent import services

    agent = obeying(world)
    if end == "remove":
        services.revoke_agent(subject=world.subject, ref=agent.ref)
    else:
        services.quarantine_agent(agent=agent, reason="token_reused")

    page = shown(employee)

    assert "None, so nothing can be recorded" in page
    assert "What it had before ends by itself:" in page
    assert "The last one ended" not in page


def test_a_machine_that_is_cut_off_is_not_counted(world: factories.World, employee: Client) -> None:
    from consent import services

    obeying(world)
    services.revoke_agent(subject=world.subject, ref=str(obeying(world).ref))

    assert " of 1 machine" in shown(employee)


def test_a_machine_whose_lease_ran_out_never_said_that_it_stopped(
    world: factories.World, employee: Client
) -> None:
    """It was switched off, say: what it said last is that it follows the choice, and no more."""
    agent = factories.make_agent(world.subject)
    obeys(agent, factories.make_policy(agent, ago=timedelta(minutes=20)))

    page = shown(employee)

    assert "1 of 1 machine follows your latest choice." in page
    assert "It says that it follows it, since" in page
    assert "It says that it has stopped" not in page
    assert "None, so nothing can be recorded" in page


def test_of_many_machines_each_is_a_line_and_what_is_wrong_comes_first(
    world: factories.World, employee: Client
) -> None:
    """Three are shown whole; of more, all but what asks for something is folded."""
    from consent import services

    first, second, third = (factories.make_agent(world.subject) for _ in range(3))
    assert "<details" not in shown(employee)
    services.revoke_agent(subject=world.subject, ref=second.ref)
    services.quarantine_agent(agent=first, reason="token_reused")
    last = factories.make_agent(world.subject)

    page = shown(employee)

    lines = [line.split(">")[0] for line in page.split('<details class="fold" id="machine-')[1:]]
    assert [line[:36] for line in lines] == [str(a.ref) for a in (first, last, third, second)]
    assert ["open" in line for line in lines] == [True, False, False, False]
    assert page.count("Remove this machine") == 3
    assert page.index("Connect a machine") < page.index(str(first.ref))
    assert page.index("used again") < page.index(str(last.ref))
    home = shown(employee, "/you/")
    assert home.index("Cut off") < home.index("Connected")


@pytest.mark.parametrize("page", ["/you/", "/you/machines/"])
def test_forty_machines_are_read_by_as_many_queries_as_one(
    world: factories.World, employee: Client, page: str
) -> None:
    obeying(world)
    employee.get(page)  # what is remembered from page to page is warm
    with CaptureQueriesContext(connection) as with_one:
        employee.get(page)

    for _ in range(39):
        obeying(world)
    with CaptureQueriesContext(connection) as with_forty:
        shown_to_them = shown(employee, page)

    assert "40 of 40 machines follow your latest choice." in shown_to_them
    assert len(with_forty) == len(with_one)
