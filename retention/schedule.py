"""When a batch must be gone. Pure: time is an argument."""

from datetime import datetime, timedelta


def due_at(*, captured_until: datetime, retention_days: int) -> datetime:
    """Return the instant by which the batch must be erased; nothing later extends it."""
    return captured_until + timedelta(days=retention_days)


def next_attempt(*, now: datetime, attempts: int) -> datetime:
    """Return when to try a failed deletion again: 2 s doubling, ten minutes at most."""
    return now + timedelta(seconds=min(600, 2 ** min(attempts, 10)))
