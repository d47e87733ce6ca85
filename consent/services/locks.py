"""One advisory lock around what cohorts share: changed by one at a time, read in peace by many.

Taken before a subject's row, never after it, so that nobody waits for it with that row in hand:
a withdrawal needs the row, and is not to wait for a change of rules.
"""

from typing import Final

from django.db import connection

from consent.models import Purpose

SHARED_HALVES: Final = 7_215_003


def one_change_at_a_time(*, wait: bool = True) -> bool:
    """Let nobody else compute what is shared, or rely on it, until this transaction ends.

    Two changes at once must not each write a document without the other's, and a cohort that is
    only being made must not be left out of a refresh. Without `wait`, returns False where it cannot
    be had at once.
    """
    return _lock("advisory_xact_lock", wait=wait)


def no_change_meanwhile(*, wait: bool = True) -> bool:
    """Rely on what is shared until this transaction ends; whoever changes it waits for that.

    So nobody comes under rules, or hands something in under them, that are being replaced. Without
    `wait`, returns False where it cannot be had at once.
    """
    return _lock("advisory_xact_lock_shared", wait=wait)


def locked_purpose(pk: int) -> Purpose:
    """Return a purpose that nobody else changes until this transaction ends.

    Who only refers to it does not wait: its kill switch can be pulled meanwhile.
    """
    return Purpose.objects.select_for_update(no_key=True).get(pk=pk)


def _lock(name: str, *, wait: bool) -> bool:
    with connection.cursor() as cursor:
        if wait:
            cursor.execute(f"SELECT pg_{name}(%s)", [SHARED_HALVES])
            return True
        cursor.execute(f"SELECT pg_try_{name}(%s)", [SHARED_HALVES])
        return bool(cursor.fetchone()[0])
