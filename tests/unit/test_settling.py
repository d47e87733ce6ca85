"""A web process leaves alone what is there for good."""

import gc

from portal.web import YOUNG, settle_down


def test_the_collector_looks_at_what_comes_and_seldom() -> None:
    before = gc.get_threshold()
    gc.unfreeze()  # what the run of all tests has frozen
    try:
        settle_down()

        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == (YOUNG, *before[1:])
    finally:
        gc.set_threshold(*before)
