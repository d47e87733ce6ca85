"""An app that turns out to be protected: nothing of it is let in, and what is held has to go."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.policy.types import AppCategory
from tests import factories
from tests.oracle import look

CONTENT = b"what was recorded"


@pytest.fixture
def world(database: Any, store: Path) -> factories.World:
    made = factories.make_world()
    made.say_yes()
    made.extra["agent"] = factories.make_agent(made.subject)
    made.extra["policy"] = factories.make_policy(made.extra["agent"])
    return made


def report(app: Any) -> None:
    from consent import services

    services.report_app(
        app=app, suspected=AppCategory.HEALTH, reporter=uuid4(), actor=factories.OFFICER
    )


def recategorise(app: Any, category: str = "health") -> None:
    from consent import services

    services.change_app(app=app, fields={"category": category}, actor=factories.OFFICER)


CLOSINGS = pytest.mark.parametrize("close", [report, recategorise])


def announce(world: factories.World, content: bytes = CONTENT, **differs: Any) -> Any:
    from retention import services as retention

    manifest = factories.manifest_for(world.extra["policy"], content, **differs)
    return retention.announce_batch(agent=world.extra["agent"], manifest=manifest)


def deliver(world: factories.World, admission: Any) -> Any:
    from retention import services as retention

    return retention.receive_bytes(
        agent=world.extra["agent"], batch=admission.batch, chunks=[CONTENT]
    )


def hand_in(world: factories.World, content: bytes = CONTENT, app: str = "tracker") -> UUID:
    return factories.hand_in(world.extra["agent"], world.extra["policy"], content, app=app)


def files(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()]


def refusals(database: Any) -> list[Any]:
    return [
        row[0] for row in database.sql("SELECT body FROM audit_entry WHERE type = 'batch.refused'")
    ]


# --- at the door -------------------------------------------------------------------------------


@CLOSINGS
def test_a_batch_announced_after_that_is_refused_and_nothing_else_is_said(
    world: factories.World, database: Any, close: Any
) -> None:
    close(world.apps["tracker"])

    admission = announce(world, signals={"mouse_click": 3, "screenshot": 1})

    assert (admission.state, admission.reasons) == ("refused", ["never_category"])
    assert database.sql("SELECT manifest FROM retention_admission") == [({},)]
    (body,) = refusals(database)
    assert b"tracker" not in bytes(body)
    assert b"mouse_click" not in bytes(body)


@CLOSINGS
def test_bytes_that_arrive_after_that_are_erased_though_they_were_announced_before(
    world: factories.World, database: Any, store: Path, close: Any
) -> None:
    from retention.exceptions import BatchRefused

    admission = announce(world)
    assert admission.state == "awaiting_bytes"

    close(world.apps["tracker"])

    with pytest.raises(BatchRefused) as refused:
        deliver(world, admission)
    assert refused.value.reasons == ["never_category"]
    assert files(store) == []
    assert database.sql("SELECT state, reasons, manifest FROM retention_admission") == [
        ("refused", ["never_category"], {})
    ]
    with pytest.raises(BatchRefused):
        deliver(world, admission)  # a repeat says what stands
    assert len(refusals(database)) == 1


def test_the_agent_hears_it_in_one_word(world: factories.World, database: Any) -> None:
    from django.test import Client

    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    token = new_token()
    AgentToken.objects.create(agent=world.extra["agent"], sha256=token_hash(token))
    report(world.apps["tracker"])
    manifest = factories.manifest_for(world.extra["policy"], CONTENT).document()
    body = {
        **{key: value for key, value in manifest.items() if not key.startswith("captured_")},
        "from": manifest["captured_from"],
        "until": manifest["captured_until"],
    }

    answer = Client().post(
        "/api/v1/batches",
        body,
        content_type="application/json",
        headers={"authorization": f"Bearer {token}"},
    )

    assert answer.status_code == 422
    assert answer.json()["reasons"] == ["never_category"]
    assert "tracker" not in answer.content.decode()


def test_a_repeat_of_the_announcement_returns_what_stands_and_another_is_refused(
    world: factories.World,
) -> None:
    from retention import services as retention
    from retention.exceptions import ManifestDiffers

    report(world.apps["tracker"])
    manifest = factories.manifest_for(world.extra["policy"], CONTENT)
    first = retention.announce_batch(agent=world.extra["agent"], manifest=manifest)

    assert retention.announce_batch(agent=world.extra["agent"], manifest=manifest) == first
    other = factories.manifest_for(world.extra["policy"], b"other", batch=manifest.batch)
    with pytest.raises(ManifestDiffers):
        retention.announce_batch(agent=world.extra["agent"], manifest=other)


def test_imported_batches_meet_the_same_door(
    world: factories.World, store: Path, database: Any
) -> None:
    from retention import services as retention

    report(world.apps["tracker"])
    manifests = [
        factories.manifest_for(world.extra["policy"], CONTENT, app=app)
        for app in ("tracker", "sheet")
    ]

    found = retention.import_batches(
        agent=world.extra["agent"],
        batches=[(manifest, CONTENT) for manifest in manifests],
        at=datetime.now(UTC),
    )

    assert [(one.state, one.reasons, bool(one.manifest)) for one in found] == [
        ("refused", ["never_category"], False),
        ("admitted", [], True),
    ]
    assert len(files(store)) == 1


def test_a_mistaken_report_that_is_settled_lets_later_batches_in(world: factories.World) -> None:
    report(world.apps["tracker"])
    assert announce(world).state == "refused"

    factories.unblock(world.apps["tracker"])

    assert announce(world).state == "awaiting_bytes"


# --- what is held already ----------------------------------------------------------------------


def test_a_report_alone_destroys_nothing(world: factories.World, database: Any) -> None:
    from retention import services as retention

    hand_in(world)

    report(world.apps["tracker"])
    retention.expand_cases()

    assert database.sql("SELECT state FROM retention_batch") == [("kept",)]
    assert database.sql("SELECT count(*) FROM retention_deletioncase") == [(0,)]


def test_a_protected_kind_owes_all_that_is_held_of_the_app_in_one_transaction(
    world: factories.World, database: Any, store: Path
) -> None:
    from retention import services as retention

    mark, spared = secrets.token_bytes(32), secrets.token_bytes(32)
    hand_in(world, mark)
    hand_in(world, spared, app="sheet")
    report(world.apps["tracker"])

    recategorise(world.apps["tracker"])

    (case,) = database.sql(
        "SELECT cause, subject_id, purpose_id, state FROM retention_deletioncase"
    )
    assert case == ("protected", None, None, "owed")
    written = database.sql(
        "SELECT type FROM audit_entry WHERE xid ="
        " (SELECT xid FROM audit_entry WHERE type = 'deletion.owed') ORDER BY type"
    )
    assert [row[0] for row in written] == ["app.changed", "deletion.owed"]
    (body,) = database.sql("SELECT body FROM audit_entry WHERE type = 'deletion.owed'")
    assert b"tracker" not in bytes(body[0])
    retention.expand_cases()
    retention.run_due_jobs()
    assert look(store, [mark, spared])["found"] == {mark.hex(): 0, spared.hex(): 1}
    assert database.sql("SELECT count(*) FROM retention_certificate") == [(1,)]
    assert database.sql("SELECT state FROM retention_deletioncase") == [("done",)]


def test_a_move_between_protected_kinds_owes_nothing_twice(
    world: factories.World, database: Any
) -> None:
    hand_in(world)
    recategorise(world.apps["tracker"])

    recategorise(world.apps["tracker"], "banking")
    recategorise(world.apps["sheet"], "development")

    assert database.sql("SELECT count(*) FROM retention_deletioncase") == [(1,)]


def test_a_legal_hold_keeps_it_all_the_same(world: factories.World, database: Any) -> None:
    from django.db import transaction

    from audit import events, ledger
    from retention import services as retention
    from retention.models import Hold

    hand_in(world)
    with transaction.atomic():
        hold = Hold.objects.create(
            subject=world.subject, reason_code="litigation", placed_by=uuid4()
        )
        ledger.append(
            events.HoldPlaced(reason="litigation", hold=hold.uuid),
            actor=factories.OFFICER,
            subject=world.subject.ref,
            covers=[hold],
        )

    recategorise(world.apps["tracker"])
    retention.expand_cases()
    retention.run_due_jobs()

    assert database.sql("SELECT state FROM retention_batch") == [("kept",)]
    assert database.sql("SELECT state FROM retention_deletionjob") == [("held",)]


def test_where_the_case_cannot_be_written_the_app_stays_what_it_was(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention.models import DeletionCase

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no case")

    monkeypatch.setattr(DeletionCase.objects, "create", fail)

    with pytest.raises(RuntimeError):
        recategorise(world.apps["tracker"])

    assert database.sql("SELECT category FROM consent_app WHERE code = 'tracker'") == [("tracker",)]


def test_a_case_about_an_app_names_it(world: factories.World, database: Any) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.CheckViolation):
        database.sql(
            "INSERT INTO retention_deletioncase (uuid, cause, pairs, due_at, state)"
            " VALUES (gen_random_uuid(), 'protected', '{}', now(), 'owed')"
        )


STEPS = st.lists(
    st.sampled_from(["hand_in", "report", "unblock", "protect", "open", "yes", "work"]), max_size=9
)


def test_against_a_model_of_one_app(world: factories.World, database: Any) -> None:
    """The plainest model: a count of what is held, and whether the app is reported, or protected.

    Nothing is let in while either holds, nor after it was protected before somebody says yes anew;
    what was held goes at the next work once it is protected.
    """
    from retention import services as retention
    from retention.exceptions import BatchRefused
    from retention.models import Batch

    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(STEPS)
    def run(steps: list[str]) -> None:
        app = world.apps["tracker"]
        app.refresh_from_db()
        if app.never:
            factories.let_go(app, "tracker")
        factories.unblock(app)
        world.say_yes()
        _work(retention)
        held = Batch.objects.filter(app=app, state="kept").count()
        reported, protected, anew, owed = False, False, False, 0
        for step in steps:
            if step == "hand_in" and (reported or protected or anew):
                with pytest.raises(BatchRefused):
                    hand_in(world, secrets.token_bytes(16))
            elif step == "hand_in":
                hand_in(world, secrets.token_bytes(16))
                held += 1
            elif step == "report":
                report(app)
                reported = True
            elif step == "unblock":
                factories.unblock(app)
                reported = False
            elif step == "protect":
                recategorise(app)
                owed = held if not protected else owed
                protected = True
            elif step == "open":
                if protected:
                    factories.let_go(app, "tracker")
                protected, anew = False, anew or protected
            elif step == "yes" and not (reported or protected):
                world.say_yes()
                anew = False
            elif step == "work":
                _work(retention)
                held, owed = (0, 0) if owed else (held, 0)
            assert Batch.objects.filter(app=app, state="kept").count() == held

    run()


def _work(retention: Any) -> None:
    while retention.expand_cases() or retention.run_due_jobs():
        pass
