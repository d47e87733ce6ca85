"""The imaginary people of a simulation: made by the services, only beside the demo company.

They stay for the next run. Nothing about them opens a door: their logins have no password, and
their machines' tokens follow from the installation's own secret.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from audit import selectors as ledger
from consent import services
from consent.models import Agent, ConsentEvent, Subject
from consent.policy.types import ConsentState, Platform
from portal.api.tokens import PREFIX, token_hash
from portal.demo.company import company
from portal.models import AgentToken, User
from portal.simulation.pattern import NAME, Pattern, find_pattern

PEOPLE_AT_ONCE: Final = 50
SESSION_SECONDS: Final = 6 * 3600
LOCK: Final = 7_215_020


class NotATrial(Exception):
    """People are simulated only in a trial installation: the demo company, and nobody else."""


class AnotherRuns(Exception):
    """Another simulation runs on this installation."""


@dataclass(frozen=True)
class Member:
    """One imaginary person with a machine."""

    subject: int
    login: int
    agent: str
    token: str


def require_trial() -> None:
    """Raise NotATrial unless the demo company was loaded whole and nobody else has a login."""
    strangers = User.objects.exclude(email__endswith=f"@{company().domain}")
    if not ledger.search(type="demo.loaded", limit=1) or strangers.exists():
        raise NotATrial(NotATrial.__doc__)


@contextmanager
def alone() -> Iterator[None]:
    """Let one simulation run at a time; raises AnotherRuns. The lock goes with the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        row = cursor.fetchone()
    if not (row and row[0]):
        raise AnotherRuns(AnotherRuns.__doc__)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def gather(count: int, told: Callable[[int], None]) -> list[Member]:
    """Return so many people who said yes; whoever is missing is made. `told` hears how many.

    Raises NotATrial or NobodyToCopy. Some people a transaction: the next run goes on with those
    that committed.
    """
    require_trial()
    pattern = find_pattern()
    for start in range(0, count, PEOPLE_AT_ONCE):
        numbers = range(start, min(count, start + PEOPLE_AT_ONCE))
        with transaction.atomic():
            _let_exist(numbers, pattern)
        told(numbers.stop)
    return _members(range(count))


def sign_in(logins: Iterable[int]) -> dict[int, str]:
    """Return a session for each login, as Django makes one once a password was right."""
    found = {}
    with transaction.atomic():
        for user in _users().filter(pk__in=list(logins)):
            session = _session()
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.set_expiry(SESSION_SECONDS)
            session.save()
            found[user.pk] = str(session.session_key)
    return found


def sign_out(sessions: Iterable[str]) -> None:
    """End the sessions."""
    for key in sessions:
        _session().delete(key)


def token_of(agent: str) -> str:
    """Return the token of a simulated agent; only this installation can work it out."""
    return PREFIX + salted_hmac("portal.simulation", agent, algorithm="sha256").hexdigest()


def _let_exist(numbers: Sequence[int], pattern: Pattern) -> None:
    """See that the people of these numbers are there, have a machine, and have said yes."""
    known = {user.email: user for user in _users().filter(email__in=map(_email, numbers))}
    people = [
        user.subject if (user := known.get(_email(number))) else _new(number, pattern)
        for number in numbers
    ]
    yes = _who_said_yes(people, pattern)
    for subject in people:
        if subject and subject.pk not in yes:
            pattern.say_yes(subject)


def _new(number: int, pattern: Pattern) -> Subject:
    subject = pattern.new_person()
    User.objects.create_user(_email(number), name=f"Simulated person {number}", subject=subject)
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    agent = services.enrol_agent(
        subject=subject, name=NAME, platform=Platform.LINUX, public_key=key
    )
    AgentToken.objects.create(agent=agent, sha256=token_hash(token_of(str(agent.ref))))
    return subject


def _who_said_yes(people: Iterable[Subject | None], pattern: Pattern) -> set[int]:
    """Return whose yes to this very notice stands."""
    newest = (
        ConsentEvent.objects.filter(
            subject__in=[one for one in people if one], purpose=pattern.notice.purpose
        )
        .order_by("subject_id", "-position")
        .distinct("subject_id")
    )
    return {
        event.subject_id
        for event in newest
        if event.state == ConsentState.GIVEN and event.notice_id == pattern.notice.pk
    }


def _members(numbers: Iterable[int]) -> list[Member]:
    """Return the people with the machine of each that is in good standing."""
    wanted = set(map(_email, numbers))
    agents = Agent.objects.filter(
        standing=Agent.Standing.ACTIVE, subject__user__email__startswith=f"{NAME}-"
    )
    rows = agents.values_list("subject_id", "subject__user__pk", "subject__user__email", "ref")
    return [
        Member(subject, login, str(ref), token_of(str(ref)))
        for subject, login, email, ref in rows.order_by("pk")
        if email in wanted
    ]


def _users() -> Any:
    return User.objects.select_related("subject").filter(email__startswith=f"{NAME}-")


def _email(number: int) -> str:
    return f"{NAME}-{number:06}@{company().domain}"


def _session() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore()
