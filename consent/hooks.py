"""How upper packages learn, inside the transaction, of a decision. A handler's error undoes all."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consent.models import ConsentEvent

Handler = Callable[["ConsentEvent"], None]

_consent_changed: list[Handler] = []
_work_owed: list[Callable[[], None]] = []


def on_consent_changed(handler: Handler) -> None:
    """Call `handler` with each consent event, before its transaction commits."""
    if handler not in _consent_changed:
        _consent_changed.append(handler)


def consent_changed(event: "ConsentEvent") -> None:
    """Tell the handlers; whoever registered owes what follows in this same transaction."""
    for handler in _consent_changed:
        handler(event)


def on_work_owed(handler: Callable[[], None]) -> None:
    """Call `handler` after a commit that left work for the workers; it may only wake them."""
    if handler not in _work_owed:
        _work_owed.append(handler)


def work_owed() -> None:
    """Wake the workers early; they find the work by themselves if nobody hears this."""
    for handler in _work_owed:
        handler()
