"""Which proposal brings what is recorded just now, so that a paper names it by its key."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from consent.models import Proposal

_brings: ContextVar[Proposal | None] = ContextVar("_brings", default=None)


@contextmanager
def brought_by(proposal: Proposal) -> Iterator[None]:
    """Let what is recorded inside name this proposal."""
    token = _brings.set(proposal)
    try:
        yield
    finally:
        _brings.reset(token)


def bringing() -> Proposal | None:
    """Return the proposal that is carried out; None where something is recorded without one."""
    return _brings.get()
