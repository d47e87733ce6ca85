"""How upper packages learn, inside the transaction, of a decision. A handler's error undoes all."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from consent.models import App, CohortPolicy, ConsentEvent, Strike, Subject

Handler = Callable[["ConsentEvent"], None]
Moved = Callable[["Subject", "CohortPolicy"], None]
Shortened = Callable[[Sequence["CohortPolicy"]], None]
Struck = Callable[["Strike"], None]
Protected = Callable[["App"], None]


class Officers(Protocol):
    """Tells which of some people are privacy officers now; locked, they stay so until the end."""

    def __call__(self, people: Collection[UUID], *, lock: bool) -> Collection[UUID]: ...


_consent_changed: list[Handler] = []
_person_moved: list[Moved] = []
_terms_shortened: list[Shortened] = []
_capture_struck: list[Struck] = []
_app_protected: list[Protected] = []
_work_owed: list[Callable[[], None]] = []
_policy_changing: list[Callable[..., None]] = []
_officers: list[Officers] = []


def on_consent_changed(handler: Handler) -> None:
    """Call `handler` with each consent event, before its transaction commits."""
    if handler not in _consent_changed:
        _consent_changed.append(handler)


def consent_changed(event: "ConsentEvent") -> None:
    """Tell the handlers; whoever registered owes what follows in this same transaction."""
    for handler in _consent_changed:
        handler(event)


def on_person_moved(handler: Moved) -> None:
    """Call `handler` with each person who comes under other rules, and those rules."""
    if handler not in _person_moved:
        _person_moved.append(handler)


def person_moved(subject: "Subject", policy: "CohortPolicy") -> None:
    """Tell the handlers, in the transaction of the move; what is held may have to go earlier."""
    for handler in _person_moved:
        handler(subject, policy)


def on_terms_shortened(handler: Shortened) -> None:
    """Call `handler` with the revisions under which something may be kept less long than before."""
    if handler not in _terms_shortened:
        _terms_shortened.append(handler)


def terms_shortened(policies: Sequence["CohortPolicy"]) -> None:
    """Tell the handlers, in the transaction that wrote the revisions."""
    for handler in _terms_shortened:
        handler(policies)


def on_capture_struck(handler: Struck) -> None:
    """Call `handler` with each strike, before its transaction commits."""
    if handler not in _capture_struck:
        _capture_struck.append(handler)


def capture_struck(strike: "Strike") -> None:
    """Tell the handlers; whoever registered owes what was kept of the interval."""
    for handler in _capture_struck:
        handler(strike)


def on_app_protected(handler: Protected) -> None:
    """Call `handler` with each app that turns out to be of a kind that is never captured."""
    if handler not in _app_protected:
        _app_protected.append(handler)


def app_protected(app: "App") -> None:
    """Tell the handlers, in the transaction that says so; what is held of it has to go."""
    for handler in _app_protected:
        handler(app)


def on_work_owed(handler: Callable[[], None]) -> None:
    """Call `handler` after a commit that left work for the workers; it may only wake them."""
    if handler not in _work_owed:
        _work_owed.append(handler)


def work_owed() -> None:
    """Wake the workers early; they find the work by themselves if nobody hears this."""
    for handler in _work_owed:
        handler()


def on_policy_changing(handler: Callable[..., None]) -> None:
    """Call `handler(subject=pk, cohorts=pks, everybody=bool)` inside each transaction that changes
    what their policies say, once the change is locked and before it commits."""
    if handler not in _policy_changing:
        _policy_changing.append(handler)


def policy_changing(
    *, subject: int = 0, cohorts: Collection[int] = (), everybody: bool = False
) -> None:
    """Tell the handlers, so that no answer that was kept somewhere outlives the commit.

    `everybody`: of whatever cohort, of none, and of those that are only being made.
    """
    for handler in _policy_changing:
        handler(subject=subject, cohorts=cohorts, everybody=everybody)


def on_officers_asked(handler: Officers) -> None:
    """Ask `handler` who is a privacy officer: roles are kept where people sign in."""
    if handler not in _officers:
        _officers.append(handler)


def officers_among(people: Collection[UUID], *, lock: bool = False) -> frozenset[UUID]:
    """Return those of the people who are privacy officers now; nobody where nobody can tell.

    With `lock` they stay so until the transaction ends: a role that is taken away waits for it.
    """
    return frozenset(one for handler in _officers for one in handler(people, lock=lock))
