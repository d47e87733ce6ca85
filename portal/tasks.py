"""Celery's doors; each decides nothing, is safe to run twice or never."""

from celery import shared_task


@shared_task
def work() -> None:
    """Look at everything that is owed and do a slice of it; again while something is left."""
    from portal import work as doing

    if doing.run_slice():
        work.delay()
