"""Reading the ledger: search, one entry opened, the state of the tree, proofs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from audit import events, ledger, selectors, tree
from audit.ledger import Actor
from audit.note import Checkpoint, Verifier
from audit.sequencer import Sequencer
from tests.audit.conftest import ORIGIN, altered_for_now, say
from tests.audit.test_sequencer import say_many

ALICE, BOB, OFFICER = uuid4(), uuid4(), uuid4()


@pytest.fixture
def told(database: Any) -> dict[str, int]:
    """A short story; entry numbers by what happened."""

    def tell(event: events.Event, actor: Actor, **more: Any) -> int:
        with transaction.atomic():
            return ledger.append(event, actor=actor, **more)

    withdrawn = events.ConsentWithdrawn(purpose="train-agents", notice_version=1, position=9)
    return {
        "demo": tell(events.DemoLoaded(people=2), Actor.system("demo")),
        "alice": tell(withdrawn, Actor.subject(ALICE), subject=ALICE, covers=[("event", 1)]),
        "bob": tell(withdrawn, Actor.subject(BOB), subject=BOB, covers=[("event", 2)]),
        "hold": tell(
            events.HoldPlaced(reason="litigation", hold=uuid4(), matter="A v B"),
            Actor.staff(OFFICER),
            subject=ALICE,
            covers=[("hold", 1), ("event", 1)],
        ),
    }


def found(**terms: Any) -> list[int]:
    return [row.id for row in selectors.search(**terms)]


def test_search(told: dict[str, int]) -> None:
    everything = [told["hold"], told["bob"], told["alice"], told["demo"]]
    now = datetime.now(UTC)

    assert found() == everything
    assert found(limit=2) == everything[:2]
    assert found(before=told["bob"]) == everything[2:]
    assert found(type="consent.withdrawn") == [told["bob"], told["alice"]]
    assert found(actor_kind="staff") == [told["hold"]]
    assert found(subject_ref=ALICE) == [told["hold"], told["alice"]]
    assert found(subject_ref=uuid4()) == []
    assert found(since=now - timedelta(hours=1), until=now + timedelta(hours=1)) == everything
    assert found(since=now + timedelta(hours=1)) == []
    assert found(until=now - timedelta(hours=1)) == []
    assert found(type="hold.placed", subject_ref=BOB) == []


def test_a_row_says_what_happened_and_not_to_whom(told: dict[str, int]) -> None:
    [row] = selectors.search(type="demo.loaded")
    assert (row.title, row.actor_kind, row.data) == (
        "Demonstration loaded",
        "system",
        {"people": 2},
    )
    assert row.index is None
    assert not row.imported


def test_an_entry_opens(told: dict[str, int]) -> None:
    detail = selectors.entry_detail(told["hold"])

    assert detail is not None
    assert detail.opening == "open"
    assert (detail.subject_ref, detail.actor_ref) == (ALICE, str(OFFICER))
    assert detail.detail["matter"] == "A v B"
    assert detail.covers == (("hold", "1"), ("event", "1"))
    assert detail.body["type"] == detail.row.type == "hold.placed"
    assert selectors.entry_detail(10**9) is None


def test_which_entries_account_for_a_row(told: dict[str, int]) -> None:
    rows = selectors.entries_covering("event", 1)
    assert [row.id for row in rows] == [told["hold"], told["alice"]]
    assert selectors.entries_covering("event", 3) == []


MISFITS = {
    "UPDATE audit_private SET subject_ref = gen_random_uuid()": "damaged",
    "UPDATE audit_private SET subject_ref = NULL": "damaged",
    "UPDATE audit_private SET actor_ref = 'someone else'": "damaged",
    "UPDATE audit_private SET actor_kind = 'system'": "damaged",
    "UPDATE audit_private SET actor_salt = NULL": "damaged",
    "UPDATE audit_private SET sealed = set_byte(sealed, 9, 255 - get_byte(sealed, 9))": "damaged",
    "UPDATE audit_private SET key_id = (SELECT id FROM audit_sealkey LIMIT 1)": "damaged",
    "UPDATE audit_private SET sealed = NULL": "erased",
    "UPDATE audit_sealkey SET wrapped = NULL, destroyed_at = now()": "erased",
    "DELETE FROM audit_sealkey": "erased",
    "DELETE FROM audit_private": "erased",
}


def test_what_does_not_fit_its_leaf_is_said(
    told: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "READER", "owner")
    for sql, opening in MISFITS.items():
        with altered_for_now(sql):
            details = [selectors.entry_detail(entry) for entry in told.values()]
        assert opening in {detail.opening for detail in details if detail}, sql


def test_the_state_of_the_tree(database: Any, sequencer: Sequencer) -> None:
    state = selectors.tree_state()
    assert (state.size, state.pending, state.waiting_since) == (0, 0, None)
    assert (state.vkey, state.signed_at, state.checkpoint) == (sequencer.vkey, None, "")

    say_many(3)
    sequencer.step()
    say()

    state = selectors.tree_state()
    assert (state.size, state.pending) == (3, 1)
    assert state.signed_at is not None
    assert state.waiting_since is not None
    text = Verifier.parse(state.vkey).open(state.checkpoint)
    assert Checkpoint.parse(text).origin == ORIGIN


def test_proofs_of_entries_hold(database: Any, sequencer: Sequencer) -> None:
    entries = say_many(600)
    sequencer.step()
    late = say()

    for index in (0, 1, 255, 256, 511, 599):
        proof = selectors.inclusion_proof(entries[index])
        assert proof is not None
        head = Checkpoint.parse(Verifier.parse(sequencer.vkey).open(proof.checkpoint))
        assert (proof.index, proof.size, head.size) == (index, 600, 600)
        assert tree.verify_inclusion(proof.leaf, index, 600, proof.hashes, head.root)
        lines = proof.text.split("\n")
        assert lines[:2] == ["c2sp.org/tlog-proof@v1", f"index {index}"]
        assert lines[2 + len(proof.hashes)] == ""
        assert proof.text.endswith(f"\n\n{proof.checkpoint}")
    assert selectors.inclusion_proof(late) is None
    assert selectors.inclusion_proof(10**9) is None
