"""Erasing a person: the entries and their proofs stay, and nobody can tell whose they were."""

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction

from audit import events, ledger, selectors, tree
from audit.body import commit_subject
from audit.ledger import Actor
from audit.note import Checkpoint, Verifier
from audit.sequencer import Sequencer
from audit.verification import verify
from tests.audit.conftest import say
from tests.audit.test_export import exported


def destroy(subject: UUID) -> int:
    with transaction.atomic():
        return ledger.destroy_detail(subject, reason="term_over", actor=Actor.system("retention"))


def traces(database: Any, subject: UUID) -> int:
    """Count the rows of the ledger that still name a person."""
    return sum(
        int(row[0])
        for row in database.sql(
            "SELECT count(*) FROM audit_private WHERE subject_ref = %s OR actor_ref = %s "
            "UNION ALL SELECT count(*) FROM audit_sealkey WHERE ref = %s AND wrapped IS NOT NULL "
            "UNION ALL SELECT count(*) FROM audit_coverage WHERE row_pk = 'of this person'",
            subject, str(subject), subject,
        )
    )  # fmt: skip


def test_erasing_leaves_every_proof_valid(database: Any, sequencer: Sequencer) -> None:
    person, other = uuid4(), uuid4()
    mine = [say(person, covers=[("consent_event", "of this person")]) for _ in range(3)]
    theirs = say(other)
    sequencer.step()
    before = exported()
    salts = database.sql("SELECT subject_salt FROM audit_private WHERE subject_ref = %s", person)
    assert traces(database, person) > 0

    assert destroy(person) == 3

    assert traces(database, person) == 0
    assert exported() == before
    assert verify().problems == []
    for entry in mine:
        detail, proof = selectors.entry_detail(entry), selectors.inclusion_proof(entry)
        assert detail is not None
        assert proof is not None
        assert (detail.opening, detail.subject_ref, detail.actor_ref) == ("erased", None, None)
        assert detail.detail == {}
        assert detail.covers == ()
        head = Checkpoint.parse(Verifier.parse(sequencer.vkey).open(proof.checkpoint))
        leaf = (proof.leaf, proof.index, proof.size, proof.hashes, head.root)
        assert tree.verify_inclusion(*leaf)
        # Whoever tries every employee with any salt but the one that is gone finds nothing.
        kept = database.sql("SELECT subject_salt FROM audit_private WHERE subject_salt IS NOT NULL")
        assert all(commit_subject(bytes(s), person) != detail.body["subject"] for (s,) in kept)
        assert any(commit_subject(bytes(s), person) == detail.body["subject"] for (s,) in salts)
    kept_detail = selectors.entry_detail(theirs)
    assert kept_detail is not None
    assert kept_detail.opening == "open"
    assert selectors.search(subject_ref=person) == []


def test_the_destruction_itself_is_recorded(database: Any) -> None:
    person = uuid4()
    say(person)
    destroy(person)

    [row] = selectors.search(type="ledger.detail_destroyed")
    assert row.data == {"reason": "term_over", "entries": 1}
    assert str(person) not in str(selectors.entry_detail(row.id))


def test_no_key_is_destroyed_in_silence(database: Any) -> None:
    person = uuid4()
    say(person)
    with (
        pytest.raises(IntegrityError, match="no entry in the ledger"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT audit_destroy_detail(%s)", [person])
    assert traces(database, person) > 0


def test_what_changes_in_the_same_transaction_stays_covered(database: Any) -> None:
    """A service may write its last entry about a person and destroy their details at once."""
    person = uuid4()
    with transaction.atomic():
        last = ledger.append(
            events.ConsentExpired(purpose="train-agents", notice_version=1, reason="left"),
            actor=Actor.system("retention"),
            subject=person,
            covers=[("consent_subject", 1)],
        )
        ledger.destroy_detail(person, reason="term_over", actor=Actor.system("retention"))

    covered = database.sql("SELECT entry_id, table_name FROM audit_coverage ORDER BY id")
    assert covered[0] == (last, "consent_subject")
    assert traces(database, person) == 0


def test_doing_it_twice_is_harmless(database: Any) -> None:
    person = uuid4()
    say(person)
    assert [destroy(person), destroy(person)] == [1, 0]
    assert destroy(uuid4()) == 0  # nobody knew them


def test_later_entries_about_the_erased_keep_nothing(database: Any, sequencer: Sequencer) -> None:
    person = uuid4()
    say(person)  # its key is remembered by this process
    destroy(person)

    late = say(person)

    detail = selectors.entry_detail(late)
    assert detail is not None
    assert (detail.opening, detail.subject_ref, detail.actor_ref) == ("erased", None, None)
    assert traces(database, person) == 0
    sequencer.step()
    assert verify().problems == []


def test_what_a_person_did_for_others_stays_without_their_name(database: Any) -> None:
    officer, person = uuid4(), uuid4()
    with transaction.atomic():
        entry = ledger.append(
            events.HoldPlaced(reason="litigation", hold=uuid4()),
            actor=Actor.staff(officer),
            subject=person,
        )
    destroy(officer)

    detail = selectors.entry_detail(entry)
    assert detail is not None
    assert (detail.opening, detail.actor_ref, detail.subject_ref) == ("open", None, person)
    assert traces(database, officer) == 0


def test_an_entry_under_way_is_erased_with_the_rest(database: Any) -> None:
    """The destruction waits for a transaction that is just writing about the person."""
    person = uuid4()
    say(person)
    erased = threading.Thread(target=lambda: (destroy(person), connections.close_all()))
    with transaction.atomic():
        ledger.append(
            events.ConsentRefused(purpose="train-agents", notice_version=1),
            actor=Actor.subject(person),
            subject=person,
        )
        erased.start()
        erased.join(0.5)
        assert erased.is_alive()
    erased.join(20)

    assert not erased.is_alive()
    assert traces(database, person) == 0


def test_an_entry_begun_during_the_destruction_keeps_nothing(database: Any) -> None:
    person = uuid4()
    say(person)
    late = threading.Thread(target=lambda: (say(person), connections.close_all()))
    with transaction.atomic():
        ledger.destroy_detail(person, reason="term_over", actor=Actor.system("retention"))
        late.start()
        late.join(0.5)
        assert late.is_alive()
    late.join(20)

    assert not late.is_alive()
    assert traces(database, person) == 0
    assert database.sql("SELECT count(*) FROM audit_entry") == [(3,)]
