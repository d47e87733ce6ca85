"""Many changes in one block write one revision per cohort, or none at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests import factories


def test_changes_in_a_block_refresh_the_cohorts_once_at_its_end(database: Any) -> None:
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world()
    revisions = "SELECT count(*) FROM consent_cohortpolicy"
    before = database.sql(revisions)[0][0]

    with services.refresh_once():
        for app in world.apps.values():
            services.allow_in_purpose(
                purpose=world.purpose, app=app, signals=[Signal.KEY_META], actor=factories.OFFICER
            )

    assert database.sql(revisions) == [(before + 1,)]
    allowlist = """
        SELECT document #> '{purposes,train-agents,allowlist}' FROM consent_cohortpolicy
        ORDER BY id DESC LIMIT 1
    """
    newest = database.sql(allowlist)[0][0]
    assert all("key_meta" in signals for signals in newest.values())


def test_an_error_in_the_block_undoes_all_of_it(database: Any) -> None:
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world()
    rows = """
        SELECT (SELECT count(*) FROM consent_cohortpolicy), count(*) FROM consent_allowlistentry
    """
    before = database.sql(rows)

    def fail_in_the_block() -> None:
        with services.refresh_once():
            services.allow_in_purpose(
                purpose=world.purpose,
                app=world.apps["tracker"],
                signals=[Signal.KEY_META],
                actor=factories.OFFICER,
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_block()

    assert database.sql(rows) == before
