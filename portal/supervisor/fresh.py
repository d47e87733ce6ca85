"""What a start may leave out because nothing changed since the last one: migrating, collecting.

Loading Django only to learn that nothing is to be done would cost most of the time to first page.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import psycopg

from portal.servers import addresses, locations
from portal.servers.home import ROOT

PACKAGES = ("portal", "retention", "consent", "audit")
STATIC_SOURCES = ("static",)
LOCK_FILE = "requirements.lock"
STATIC_ROOT = locations.HOME / "static"


def code() -> str:
    """Return a fingerprint of all our code and of the packages it runs with."""
    return _fingerprint(PACKAGES)


def assets() -> str:
    """Return a fingerprint of what becomes a static file, and of the settings that say how."""
    return _fingerprint((*STATIC_SOURCES, "portal/settings.py"))


def is_migrated(fingerprint: str) -> bool:
    """Return whether this very code migrated this very database, which is as it left it."""
    known = _read("migrated")
    return known.get("code") == fingerprint and known.get("applied") == _applied()


def note_migrated(fingerprint: str) -> None:
    """Remember that the database is up to date with the code."""
    _write("migrated", {"code": fingerprint, "applied": _applied()})


def is_collected(fingerprint: str) -> bool:
    """Return whether the static files are those of the present sources."""
    manifest = STATIC_ROOT / "staticfiles.json"
    return manifest.exists() and _read("static").get("assets") == fingerprint


def note_collected(fingerprint: str) -> None:
    """Remember that the static files are up to date."""
    _write("static", {"assets": fingerprint})


def _fingerprint(places: tuple[str, ...]) -> str:
    """Return a hash of names, sizes and times: reading every file would take longer than it saves.

    What an editor changes always shows; whoever sets a file's time back can run `migrate` by hand.
    """
    digest = hashlib.sha256()
    for place in (*places, LOCK_FILE):
        for file in sorted(_files(ROOT / place)):
            state = file.stat()
            digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for path in place.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield path


def _applied() -> str | None:
    """Return a hash of the migrations the database says it had; None where there are none."""
    try:
        with addresses.connect("owner") as connection:
            rows = connection.execute("select app, name from django_migrations order by 1, 2")
            return hashlib.sha256(json.dumps(rows.fetchall()).encode()).hexdigest()
    except psycopg.errors.UndefinedTable:
        return None


def _read(name: str) -> dict[str, str | None]:
    try:
        content = json.loads((locations.HOME / f"{name}.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(name: str, content: dict[str, str | None]) -> None:
    """Replace the note whole: half of one would only cost a needless run."""
    path = locations.HOME / f"{name}.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content))
    draft.replace(path)
