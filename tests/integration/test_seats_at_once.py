"""Seats that end, and tokens that are given, in the very moment in which somebody relies on them.

One of two always comes second, and gets the ordinary refusal: a code and a next step.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from tests import factories
from tests.integration.test_kill_switch import pull
from tests.integration.test_pages import signed_in
from tests.integration.test_proposals import (
    BERLIN,
    LONGER,
    MUNICH,
    OTHER,
    agree,
    current,
    propose,
    seat,
    vote,
)

NEW = UUID(int=81)


@pytest.fixture
def world(database: Any) -> factories.World:
    """One agreement, by which the council of Munich is asked; two people sit in it."""
    world = factories.make_world()
    world.say_yes()
    agree(council_may_veto=True, council_units=["munich"])
    seat(MUNICH, "munich")
    seat(BERLIN, "munich")
    return world


class Beside:
    """Something that another connection does, begun now; `result` waits until it is done."""

    def __init__(self, what: Callable[[], Any]) -> None:
        self._outcome: list[Any] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(what,))
        self._thread.start()

    def _run(self, what: Callable[[], Any]) -> None:
        from django.db import connections

        try:
            self._outcome.append(what())
        except Exception as error:  # noqa: BLE001  told to who asks for the result
            self._outcome.append(error)
        finally:
            connections.close_all()
            self._done.set()

    @property
    def waits(self) -> bool:
        return not self._done.wait(0.5)

    def result(self) -> Any:
        self._thread.join()
        return self._outcome[0]


def end(person: UUID, by: UUID | None = None) -> Any:
    from consent import services
    from consent.models import CouncilSeat

    standing = CouncilSeat.objects.get(person=person, unit="munich")
    return services.end_seat(seat=standing, actor=factories.OFFICER, by=by)


def give(person: UUID, by: UUID) -> Any:
    from consent import services

    return services.give_seat(
        person=person, unit="munich", valid_from=date(2025, 1, 1), actor=factories.OFFICER, by=by
    )


def agreed_by_munich() -> Any:
    proposal = propose("purpose.change", LONGER)
    vote(proposal, MUNICH, unit="munich")
    factories.make_officer(OTHER)
    return proposal


def test_a_last_vote_waits_for_a_seat_that_is_being_ended(world: Any, database: Any) -> None:
    """Its yes is none any more then, and the change is not made."""
    from django.db import transaction

    proposal = agreed_by_munich()

    with transaction.atomic():
        end(MUNICH)
        last = Beside(lambda: vote(proposal, OTHER))
        assert last.waits

    assert last.result().state == "open"
    assert current(database) == 60


def test_a_seat_is_ended_after_the_last_vote_that_counts_on_it(world: Any, database: Any) -> None:
    from django.db import transaction

    proposal = agreed_by_munich()

    with transaction.atomic():
        assert vote(proposal, OTHER).state == "applied"
        ended = Beside(lambda: end(MUNICH))
        assert ended.waits

    assert ended.result().ended_at
    assert current(database) == 90


def test_of_two_members_who_end_each_others_seats_one_sits_on(world: Any, database: Any) -> None:
    from django.db import transaction

    from consent.exceptions import SeatNotYours

    with transaction.atomic():
        end(MUNICH, by=BERLIN)
        other = Beside(lambda: end(BERLIN, by=MUNICH))
        assert other.waits

    assert isinstance(other.result(), SeatNotYours)
    left = database.sql("SELECT person FROM consent_councilseat WHERE ended_at IS NULL")
    assert left == [(BERLIN,)]


def test_who_is_losing_their_seat_hands_none_on(world: Any, database: Any) -> None:
    from django.db import transaction

    from consent.exceptions import SeatNotYours

    with transaction.atomic():
        end(MUNICH, by=BERLIN)
        handed = Beside(lambda: give(NEW, by=MUNICH))
        assert handed.waits

    assert isinstance(handed.result(), SeatNotYours)


def test_who_proposes_a_change_takes_no_seat_in_the_same_moment(world: Any) -> None:
    from django.db import transaction

    from consent.exceptions import SeatConflict

    with transaction.atomic():
        propose("purpose.change", LONGER, by=NEW)
        taken = Beside(lambda: give(NEW, by=MUNICH))
        assert taken.waits

    assert isinstance(taken.result(), SeatConflict)


def test_the_same_seat_given_twice_at_once_is_one(world: Any, database: Any) -> None:
    from django.db import transaction

    with transaction.atomic():
        first = give(NEW, by=MUNICH)
        again = Beside(lambda: give(NEW, by=BERLIN))
        assert again.waits

    assert again.result().pk == first.pk


def test_what_the_database_refuses_at_last_is_told_as_the_service_would(
    world: Any, database: Any
) -> None:
    """Here the portal's clock is ahead of the database's, over midnight."""
    from consent import exceptions, services
    from portal.models import User

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    proposal = propose("purpose.change", LONGER)
    browser = signed_in("works_council")
    member = User.objects.get(email="works_council@example.org").ref
    seat(member, "munich", since=midnight.date())

    with time_machine.travel(midnight, tick=False):
        with pytest.raises(exceptions.SeatMissing):
            services.vote(proposal=proposal.uuid, voter=member, vote="approve", unit="munich")
        with pytest.raises(exceptions.SeatNotYours):
            give(NEW, by=member)
        browser.force_login(
            User.objects.get(ref=member), "allauth.account.auth_backends.AuthenticationBackend"
        )
        page = browser.post(
            f"/privacy/changes/{proposal.uuid}/vote/",
            {"vote": "approve", "unit": "munich"},
            follow=True,
        )

    assert "You hold no seat in the works council of that unit today." in page.content.decode()
    assert database.sql("SELECT count(*) FROM consent_proposalvote") == [(0,)]


def test_other_errors_of_the_database_stay_faults(world: Any) -> None:
    from django.db import IntegrityError

    from consent.models import Purpose
    from consent.services.refused import in_words

    with pytest.raises(IntegrityError, match="consent_purpose"):
        in_words(Purpose.objects.create)(code="train-agents", retention_days=1)


def test_each_code_that_the_database_gives_is_known() -> None:
    from consent.services.refused import BY_CONSTRAINT
    from portal.guard import COUNCIL_SEATS, FOUR_EYES
    from portal.protected import PROTECTED

    given = re.findall(r"CONSTRAINT = '(\w+)'", FOUR_EYES + COUNCIL_SEATS + PROTECTED)

    assert len(given) > 10
    assert set(given) <= set(BY_CONSTRAINT)


def test_two_tokens_given_at_once_to_one_service_leave_the_later(database: Any) -> None:
    from django.db import transaction

    from portal.models import ServiceToken
    from portal.service_tokens import give_token, service_of

    scope = next(iter(ServiceToken.Scope))

    def one() -> str:
        return give_token(name="hr", scope=scope, actor=factories.OFFICER)

    with transaction.atomic():
        first = one()
        other = Beside(one)
        assert other.waits

    assert service_of(other.result(), scope)
    assert service_of(first, scope) is None


def test_two_logins_opened_at_once_for_one_address_are_one(database: Any) -> None:
    from django.core.management import CommandError, call_command
    from django.db import transaction

    from portal import appointments

    asked = ("appoint", "kim@example.org", "--name", "Kim", "--role", "auditor")
    with transaction.atomic():
        appointments.open_login(email="kim@example.org", name="Kim", password=None)
        other = Beside(lambda: call_command(*asked, stdout=io.StringIO()))
        assert other.waits

    told = other.result()
    assert isinstance(told, CommandError)
    assert "run it again" in str(told)
    call_command(*asked, stdout=io.StringIO())


# --- should a service ever believe too much --------------------------------------------------


SENTENCE = "What this rests on changed in the same moment. Nothing was stored."


def test_a_vote_that_the_database_says_is_not_the_last_is_told_in_words(
    world: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent.selectors.proposals import Missing
    from consent.services import votes

    monkeypatch.setattr(votes, "missing_votes", lambda *_args, **_more: Missing(0, ()))
    proposal = propose("purpose.change", LONGER)

    page = signed_in("privacy_officer").post(
        f"/privacy/changes/{proposal.uuid}/vote/", {"vote": "approve", "unit": ""}, follow=True
    )

    assert SENTENCE in page.content.decode()
    assert current(database) == 60
    assert database.sql("SELECT count(*) FROM consent_proposalvote") == [(0,)]


def test_a_release_that_the_database_says_lacks_somebody_is_told_in_words(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent.services import kill_switch

    switch = pull()
    officers = frozenset({OTHER, NEW})
    monkeypatch.setattr(kill_switch, "release_agreements", lambda *_args, **_more: officers)

    page = signed_in("privacy_officer").post(f"/stop/{switch.uuid}/release/", follow=True)

    assert SENTENCE in page.content.decode()
    assert database.sql("SELECT released_at FROM consent_killswitch") == [(None,)]
    assert database.sql("SELECT count(*) FROM consent_killrelease") == [(0,)]
