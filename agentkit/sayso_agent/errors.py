"""What can go wrong, each with a stable code and the exit code of the command line. Pure."""

import errno
from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Exit codes of `sayso-agent`."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    ALL_DENIED = 3
    NOT_ENROLLED = 4
    BLOCKED = 5
    ERASED = 6
    UNREACHABLE = 7
    POLICY_REFUSED = 8
    BATCH_REFUSED = 9
    ENROLMENT_FAILED = 10
    NOT_CONFORMING = 11
    NOT_KEPT = 12


class AgentError(Exception):
    """Base of all errors of this package: `code` is stable, the message is for people."""

    exit_code = Exit.UNEXPECTED

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UsageError(AgentError):
    """What was asked for cannot be done as asked."""

    exit_code = Exit.USAGE


class StateError(AgentError):
    """The state folder is missing, damaged or open to others."""

    exit_code = Exit.NOT_ENROLLED


class StorageError(AgentError):
    """The state folder cannot be written, or read: nothing may be captured."""

    exit_code = Exit.NOT_KEPT


_FULL: Final = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def storage_error(error: OSError) -> StorageError:
    """Return what a failed write, or read, of our own files stands for."""
    if error.errno in _FULL:
        return StorageError("disk_full", "the disk is full, or this account's share: make room")
    what = f" ({error.filename})" if isinstance(error.filename, str) else ""
    return StorageError(
        "files_unusable",
        f"the agent cannot use its files{what}: see that they are its own and can be written",
    )


def not_erased(folder: object) -> StorageError:
    """Return what it stands for that something which must go is still there."""
    return StorageError("not_erased", f"what must go could not be erased; remove {folder}")


class EnrolmentError(AgentError):
    """The device flow ended without an agent."""

    exit_code = Exit.ENROLMENT_FAILED


class PolicyRefusedError(AgentError):
    """A policy came that must not be obeyed; nothing may be captured."""

    exit_code = Exit.POLICY_REFUSED


class UnreachableError(AgentError):
    """No usable answer: no connection, a broken one, or a server in trouble. Try again later."""

    exit_code = Exit.UNREACHABLE

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class PolicyChangedError(AgentError):
    """Something changed while we waited: nothing may be captured until the policy is fetched."""

    exit_code = Exit.UNREACHABLE

    def __init__(self, *, retry_after: float | None = None) -> None:
        super().__init__("policy_changed", "the policy has changed and must be fetched again")
        self.retry_after = retry_after


class UnexpectedAnswerError(AgentError):
    """The portal answered with something the protocol does not hold."""

    exit_code = Exit.UNREACHABLE


class StandingError(AgentError):
    """The portal no longer serves this agent (401, 403, 410): capture stops at once."""

    def __init__(self, code: str, message: str, *, status: int) -> None:
        super().__init__(code, message)
        self.status = status
        self.exit_code = {403: Exit.BLOCKED, 410: Exit.ERASED}.get(status, Exit.NOT_ENROLLED)

    @property
    def purges(self) -> bool:
        """True where the spool must go too (403, 410); after a 401 it stays, unsent."""
        return self.status in {403, 410}
