"""The bytes of an entry: what stands in the leaf, and what opens it. Pure."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self
from uuid import UUID

import rfc8785

from audit import seal
from audit.event import Event
from audit.tree import leaf_hash

VERSION: Final = 1
MAX_BODY: Final = 16_384

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)

ActorKind = Literal["subject", "staff", "agent", "system", "works_council"]


@dataclass(frozen=True)
class Actor:
    """Who acted. The kind stands in the leaf, the reference only in the sealed part."""

    kind: ActorKind
    ref: str

    @classmethod
    def subject(cls, ref: UUID | str) -> Self:
        """Return the person the data is about, acting on their own behalf."""
        return cls("subject", str(ref))

    @classmethod
    def staff(cls, ref: UUID | str) -> Self:
        """Return someone acting in a role: privacy officer, auditor, operator."""
        return cls("staff", str(ref))

    @classmethod
    def agent(cls, ref: UUID | str) -> Self:
        """Return a capture agent."""
        return cls("agent", str(ref))

    @classmethod
    def works_council(cls, ref: UUID | str) -> Self:
        """Return a member of a works council acting as such."""
        return cls("works_council", str(ref))

    @classmethod
    def system(cls, name: str) -> Self:
        """Return the portal itself; `name` is the part that acted, as in `retention`."""
        return cls("system", name)


@dataclass(frozen=True)
class Draft:
    """An entry ready to be stored: its body, and the salts and plain detail that open it."""

    type: str
    body: bytes
    actor_salt: bytes
    subject_salt: bytes | None
    detail: bytes
    """The salt of the detail's commitment, then the detail; sealed as one."""

    @property
    def place(self) -> bytes:
        """Return what the sealed detail is bound to: this one leaf."""
        return leaf_hash(self.body)


def compose(event: Event, *, actor: Actor, subject: UUID | None, at: datetime) -> Draft:
    """Return the draft of an entry. The leaf says the hour only: exact times single people out."""
    actor_salt, detail_salt = seal.new_salt(), seal.new_salt()
    subject_salt = seal.new_salt() if subject else None
    detail = quick(event.sealed_data()).encode()
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    body = quick(
        {
            "v": VERSION,
            "type": event.type,
            "at": hour.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "data": event.leaf_data(),
            "actor": {"kind": actor.kind, "commit": commit_actor(actor_salt, actor)},
            "subject": commit_subject(subject_salt, subject) if subject and subject_salt else None,
            "detail": commit_detail(detail_salt, detail),
        }
    ).encode()
    if len(body) > MAX_BODY:
        raise ValueError(f"an entry of type {event.type} is longer than {MAX_BODY} bytes")
    return Draft(event.type, body, actor_salt, subject_salt, detail_salt + detail)


def commit_actor(salt: bytes, actor: Actor) -> str:
    """Return the commitment that stands for the actor in the leaf."""
    return _text(seal.commit("actor", salt, f"{actor.kind}:{actor.ref}".encode()))


def commit_subject(salt: bytes, subject: UUID) -> str:
    """Return the commitment that stands for the person in the leaf."""
    return _text(seal.commit("subject", salt, str(subject).encode()))


def commit_detail(salt: bytes, detail: bytes) -> str:
    """Return the commitment that stands for the sealed detail in the leaf."""
    return _text(seal.commit("detail", salt, detail))


def canonical(value: Any) -> bytes:
    """Return the one byte form of a JSON value (RFC 8785)."""
    return rfc8785.dumps(value)


def quick(value: Any) -> str:
    """Return the canonical form of what we made ourselves, several times faster than `canonical`.

    The same text as long as keys are ASCII and numbers are whole and below 2**53 (RFC 8785
    section 3.2): only for values that are so by how they come about, as those of events are.
    """
    return _ENCODER.encode(value)


def stamp(at: datetime) -> str:
    """Write an instant to the microsecond, in UTC, always in the same form."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
