"""Nothing personal reaches a leaf, whatever the event; and every event explains itself."""

import dataclasses
import json
import types
import typing
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import body, events, seal
from audit.event import TYPE, Event, UnfitEventError, event, sealed

SOMEBODY = UUID("9b2e0c1e-6a1d-4f0e-8a53-1c7d2f0e4b66")
HOUR = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CODES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
SECRETS = st.text(min_size=12, max_size=30).map(lambda text: f"secret {text}")

PUBLIC: dict[Any, st.SearchStrategy[Any]] = {
    str: CODES,
    int: st.integers(0, 10**9),
    bool: st.booleans(),
    tuple[str, ...]: st.lists(CODES, max_size=4).map(tuple),
    date: st.dates(),
}
SEALED: dict[Any, st.SearchStrategy[Any]] = {
    str: SECRETS,
    int: st.integers(10**12, 10**15),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    tuple[str, ...]: st.lists(SECRETS, min_size=1, max_size=4).map(tuple),
}


def is_sealed(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("sealed"))


def fields_of(kind: type[Event]) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = typing.get_type_hints(kind)
    return [(field, hints[field.name]) for field in dataclasses.fields(kind)]  # type: ignore[arg-type]


def values(hint: Any, table: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return st.one_of([table[option] for option in options if option is not types.NoneType])


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    """Any event with every field filled; a refused batch may be of a protected app."""
    kind = draw(st.sampled_from(list(events.CATALOGUE.values())))
    given_values = {
        field.name: draw(values(hint, SEALED if is_sealed(field) else PUBLIC))
        for field, hint in fields_of(kind)
    }
    if given_values.get("protected"):
        given_values |= {"reasons": (), "app": None, "signals": (), "events": None}
    return kind(**given_values)


def spellings(value: object) -> list[str]:
    """Every way in which a value might show."""
    if isinstance(value, tuple):
        return [text for item in value for text in spellings(item)]
    if isinstance(value, datetime):
        return [value.isoformat()[:19], str(int(value.timestamp() * 1000))]
    if isinstance(value, UUID):
        return [str(value), value.hex]
    return [str(value), json.dumps(str(value))[1:-1]]


@settings(max_examples=400, deadline=None)
@given(any_event(), st.sampled_from(typing.get_args(body.ActorKind)))
def test_no_leaf_holds_what_is_sealed_or_who_it_was(said: Event, kind: body.ActorKind) -> None:
    subject, actor = uuid4(), body.Actor(kind, str(uuid4()))

    draft = body.compose(said, actor=actor, subject=subject, at=HOUR)

    text = draft.body.decode()
    hidden = [*spellings(subject), *spellings(UUID(actor.ref))]
    for field in dataclasses.fields(said):  # type: ignore[arg-type]
        # A day alone says less than any of these; it may stand in public, so it may coincide.
        value = getattr(said, field.name)
        if is_sealed(field) and (isinstance(value, datetime) or not isinstance(value, date)):
            hidden += spellings(value)
    assert not [secret for secret in hidden if secret in text]
    assert set(json.loads(text)) == {"v", "type", "at", "data", "actor", "subject", "detail"}


@settings(max_examples=200, deadline=None)
@given(any_event())
def test_a_leaf_is_flat_and_canonical(said: Event) -> None:
    draft = body.compose(said, actor=body.Actor.system("demo"), subject=None, at=HOUR)

    leaf = json.loads(draft.body)
    assert body.canonical(leaf) == draft.body
    assert leaf["type"] == said.type
    assert leaf["subject"] is None
    for value in leaf["data"].values():
        if isinstance(value, list):
            assert all(isinstance(item, str) for item in value)
        else:
            assert value is None or isinstance(value, (str, int))


def test_the_leaf_tells_the_hour_only() -> None:
    late = datetime(2026, 11, 22, 12, 59, 59, 999999, tzinfo=UTC)
    draft = body.compose(
        events.DemoLoaded(people=1), actor=body.Actor.system("demo"), subject=None, at=late
    )

    assert json.loads(draft.body)["at"] == "2026-11-22T12:00:00Z"


def test_two_entries_about_one_person_share_nothing_that_tells() -> None:
    subject = uuid4()
    said = events.ConsentRefused(purpose="train-agents", notice_version=1)
    one, other = (
        json.loads(
            body.compose(said, actor=body.Actor.subject(subject), subject=subject, at=HOUR).body
        )
        for _ in range(2)
    )

    for leaf in (one, other):
        assert leaf["subject"] != leaf["actor"]["commit"]
    assert one["subject"] != other["subject"]
    assert one["actor"]["commit"] != other["actor"]["commit"]
    assert one["detail"] != other["detail"]


def test_commitments_open_with_their_salt_only() -> None:
    subject = uuid4()
    draft = body.compose(
        events.AgentRevoked(reason="by_subject", agent=uuid4()),
        actor=body.Actor.subject(subject),
        subject=subject,
        at=HOUR,
    )
    leaf = json.loads(draft.body)
    assert draft.subject_salt is not None
    assert len({draft.subject_salt, draft.actor_salt, draft.detail[:32]}) == 3

    assert body.commit_subject(draft.subject_salt, subject) == leaf["subject"]
    assert body.commit_subject(seal.new_salt(), subject) != leaf["subject"]
    salt, detail = draft.detail[:32], draft.detail[32:]
    assert body.commit_detail(salt, detail) == leaf["detail"]
    assert "agent" in json.loads(detail)


@pytest.mark.parametrize(
    "value",
    [
        "anna.muster@example.org",
        "Anna Muster",
        "",
        "x" * 81,
        str(SOMEBODY),
        f"agent:{SOMEBODY}",
        SOMEBODY.hex,
        "line\nbreak",
        SOMEBODY,
        datetime.now(UTC),
        1.5,
        2**60,
        b"bytes",
        ["list"],
        ("fine", str(SOMEBODY)),
        {"a": 1},
    ],
)
def test_what_may_not_be_public(value: Any) -> None:
    with pytest.raises(UnfitEventError) as refusal:
        events.SubjectRecorded(source=value)
    assert not str(value) or str(value) not in str(refusal.value)


def test_what_has_no_form_in_json() -> None:
    for value in (object(), datetime(2026, 1, 1), 1.5):  # noqa: DTZ001  without a zone, on purpose
        said = events.SubjectFactRecorded(kind="workplace", value=value)  # type: ignore[arg-type]
        with pytest.raises(UnfitEventError):
            said.sealed_data()


def test_of_a_protected_app_the_record_says_only_that() -> None:
    events.BatchRefused(reasons=(), protected=True, batch=uuid4())
    for told in ({"app": "clinic"}, {"signals": ("scroll",)}, {"events": 3}):
        with pytest.raises(UnfitEventError):
            events.BatchRefused(reasons=(), protected=True, **told)  # type: ignore[arg-type]
    with pytest.raises(UnfitEventError):
        events.BatchRefused(reasons=("app_not_allowlisted",), protected=True)


def test_an_entry_does_not_outgrow_its_row() -> None:
    said = events.ConsentWithdrawn(
        purpose="p", notice_version=1, apps=tuple(f"{'a' * 70}{i}" for i in range(300))
    )
    with pytest.raises(ValueError, match="longer than"):
        body.compose(said, actor=body.Actor.system("x"), subject=None, at=HOUR)


def test_every_event_explains_itself() -> None:
    for name, title, words in events.glossary():
        assert TYPE.fullmatch(name), name
        assert title[0].isupper()
        assert words.endswith("."), name
        assert "\n" not in words.split("\n\n")[0], name
    titles = [title for _, title, _ in events.glossary()]
    assert len(titles) == len(set(titles))


def test_the_catalogue_has_every_event_once() -> None:
    kinds = [
        kind
        for kind in vars(events).values()
        if isinstance(kind, type) and issubclass(kind, Event) and "type" in vars(kind)
    ]
    assert len(kinds) == len(events.CATALOGUE) >= 40
    assert {"consent.withdrawn", "deletion.certified", "ledger.exported"} <= set(events.CATALOGUE)


def test_events_are_frozen_and_named() -> None:
    said = events.DemoLoaded(people=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        said.people = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        events.DemoLoaded(3)  # type: ignore[misc]


def test_a_sealed_field_may_be_required() -> None:
    @event
    class Needs(Event):
        """Needs its sealed field."""

        type = "test.needs"
        title = "Needs"

        agent: UUID = sealed()

    with pytest.raises(TypeError):
        Needs()  # type: ignore[call-arg]
