"""Ledgers made without a database: what a test of proofs and exports needs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import body, chain, events
from audit.chain import Record
from audit.export import FORMAT
from audit.note import Checkpoint, RecordHead, Signer, encode
from audit.tree import Frontier, leaf_hash

ORIGIN = "sayso.test/ledger"
NOON = datetime(2026, 11, 22, 12, 34, 56, 789012, tzinfo=UTC)


def signer(name: str = ORIGIN, seed: int = 1) -> Signer:
    """Return a signer that is the same at every call."""
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def bodies(count: int, subject: UUID | None = None) -> list[bytes]:
    """Return the bodies of `count` entries."""
    person = subject or uuid4()
    event = events.ConsentWithdrawn(purpose="train-agents", notice_version=3)
    actor = body.Actor.subject(person)
    return [body.compose(event, actor=actor, subject=person, at=NOON).body for _ in range(count)]


def export(
    texts: list[bytes],
    by: Signer | None = None,
    *,
    start: datetime = NOON,
    root: bytes | None = None,
    head: bytes | None = None,
) -> bytes:
    """Return an export of these bodies, as an honest portal would have written it.

    A root or head of the chain that is given gets signed instead of the true one.
    """
    by = by or signer()
    tree, link, lines = Frontier(), chain.START, []
    for index, text in enumerate(texts):
        leaf = leaf_hash(text)
        imported = index % 3 == 2
        happened = start - timedelta(days=9) if imported else None
        moment = start + timedelta(seconds=index)
        record = Record(index, 10 + 2 * index, leaf, moment, happened, imported)
        link = chain.link(link, record)
        tree.append(leaf)
        lines.append({**record.fields(), "body": encode(text), "chain": encode(link)})
    top = {
        "format": FORMAT,
        "origin": by.name,
        "size": tree.size,
        "verifier": by.verifier.vkey,
        "checkpoint": by.sign(Checkpoint(by.name, tree.size, root or tree.root()).text),
        "records": by.sign(RecordHead(by.name, tree.size, head or link).text),
    }
    return b"".join(body.canonical(line) + b"\n" for line in [top, *lines])
