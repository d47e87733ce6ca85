"""A file of dated facts: CSV, a line a fact. Each line stands for itself; a wrong one is named."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from audit.ledger import Actor
from consent import services
from consent.exceptions import ConsentError, NotKnownHere
from consent.models import Subject, SubjectFact
from portal import appointments, personfacts
from portal.models import User

NEEDED: Final = ("person", "kind", "value", "from", "source")
OPTIONAL: Final = ("until", "name", "language")
FIELDS: Final = {"from": "valid_from", "until": "valid_until"}
"""Columns whose name in a form differs."""
COLUMNS: Final = {field: column for column, field in FIELDS.items()}


class FileUnfitError(Exception):
    """The file cannot be read as a list of facts at all; nothing of it was used."""


class LineWrongError(Exception):
    """One line cannot be recorded; the others can."""


@dataclass
class Outcome:
    """What became of a file's lines, by their numbers in the file."""

    recorded: list[int] = field(default_factory=list)
    stood: list[int] = field(default_factory=list)
    wrong: dict[int, str] = field(default_factory=dict)


def import_facts(file: TextIO, *, actor: Actor, keep: bool) -> Outcome:
    """Record every sound line in a transaction of its own; with `keep` false nothing stays.

    What survives a crash in between is whole lines; the same file again finds them as they stand.
    Raises FileUnfitError, before anything is recorded.
    """
    rows = list(_rows(file))
    outcome = Outcome(wrong=_contradictions(rows))
    if keep:
        _take_in(rows, outcome, actor)
    else:
        with transaction.atomic():
            _take_in(rows, outcome, actor)
            transaction.set_rollback(True)
    return outcome


def _take_in(rows: list[tuple[int, Mapping[str, str]]], outcome: Outcome, actor: Actor) -> None:
    for number, row in rows:
        if number in outcome.wrong:
            continue
        try:
            with transaction.atomic():
                new = _record(row, actor)
        except LineWrongError as wrong:
            outcome.wrong[number] = str(wrong)
        else:
            (outcome.recorded if new else outcome.stood).append(number)


def _rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the lines with their numbers, every value without blanks round it."""
    reader = csv.DictReader(file, restkey="", restval="", strict=True)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        _check_columns(columns)
        reader.fieldnames = columns
        for row in reader:
            if row.get(""):
                raise FileUnfitError(f"Line {reader.line_num} has more values than columns.")
            yield reader.line_num, {name: (value or "").strip() for name, value in row.items()}
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileUnfitError(f"Line {reader.line_num} is no CSV in UTF-8: {error}.") from error


def _check_columns(columns: list[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    if missing or unknown or len(set(columns)) < len(columns):
        raise FileUnfitError(
            f"The first line must name the columns {', '.join(NEEDED)}, and may name"
            f" {', '.join(OPTIONAL)}, each once. Missing: {', '.join(missing) or 'none'};"
            f" not known: {', '.join(unknown) or 'none'}."
        )


def _contradictions(rows: list[tuple[int, Mapping[str, str]]]) -> dict[int, str]:
    """Return the lines that say two things of one person, kind and day: neither is used.

    Of two such lines the last would count, and the same file again would turn both round.
    """
    said: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for number, row in rows:
        if row["kind"] not in SubjectFact.SEVERAL_AT_ONCE:
            key = (row["person"].casefold(), row["kind"], row["from"])
            said.setdefault(key, []).append((number, f"{row['value']} {row.get('until', '')}"))
    return {
        number: f"says something else than line {other}"
        for lines in said.values()
        for number, value in lines
        for other, another in lines[:1] + lines[1:2]
        if value != another
    }


def _record(row: Mapping[str, str], actor: Actor) -> bool:
    """Record one line; return whether it was new."""
    form = personfacts.FactForm({FIELDS.get(name, name): value for name, value in row.items()})
    if not form.is_valid():
        wrong = form.problems().items()
        told = (f"{COLUMNS.get(name, name)}: {text}" for name, text in wrong)
        raise LineWrongError("; ".join(told))
    subject = _person(row, form.cleaned_data, actor)
    newest = subject.facts.order_by("-pk").values_list("pk", flat=True).first() or 0
    try:
        fact = personfacts.record(subject, form.cleaned_data, actor=actor)
    except ConsentError as refusal:
        raise LineWrongError(f"{refusal.detail} {refusal.next_step}") from refusal
    return fact.pk > newest


def _person(row: Mapping[str, str], said: Mapping[str, Any], actor: Actor) -> Subject:
    """Return whom a line is about; with a name, somebody new may become known by it."""
    try:
        return personfacts.find_person(row["person"])
    except NotKnownHere as unknown:
        user = User.objects.filter(email__iexact=row["person"]).first()
        if user is None and not row.get("name"):
            told = f"person: {unknown.detail} With a name, a login is opened."
            raise LineWrongError(told) from unknown
    user = user or _open(row["person"], row["name"])
    user.subject = services.record_subject(
        language=row.get("language") or "en",
        facts={},
        since=timezone.now().date(),
        source=said["source"],
        actor=actor,
    )
    user.save(update_fields=["subject"])
    return user.subject


def _open(address: str, name: str) -> User:
    """Open a login without a password: its owner sets one by mail, or signs in elsewhere."""
    try:
        validate_email(address)
    except ValidationError as error:
        raise LineWrongError("person: this is no address to open a login for") from error
    return appointments.open_login(email=address, name=name, password=None)
