"""The invented company as data: places, units, apps, purposes, evidence, read from TOML. Pure."""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from consent.policy.hours import WorkingHours
from consent.policy.types import MatcherKind, Platform

DATA: Final = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Place:
    """A jurisdiction where the company has people."""

    jurisdiction: str
    sites: tuple[str, ...]
    share: int
    language: str
    ahead: int
    """Hours by which its clocks are ahead of UTC, near enough for an office day."""
    recording: bool = True
    acknowledges: bool = False
    """Whether the law asks people to confirm that they received the notice."""


@dataclass(frozen=True)
class Unit:
    """A part of the company, and the apps its people work in."""

    code: str
    share: int
    apps: tuple[str, ...]


@dataclass(frozen=True)
class Persona:
    """Somebody to sign in as; `place` is empty for one who does not work here."""

    role: str
    label: str
    name: str
    email: str
    place: str
    unit: str
    grants: str = ""


@dataclass(frozen=True)
class Company:
    """The company itself."""

    name: str
    domain: str
    places: tuple[Place, ...]
    units: tuple[Unit, ...]
    personas: tuple[Persona, ...]


@dataclass(frozen=True)
class AppData:
    """An app and the marks by which agents recognise it."""

    code: str
    name: str
    category: str
    data_of: str
    matchers: tuple[tuple[Platform, MatcherKind, str], ...]


@dataclass(frozen=True)
class NoticeData:
    """One version of a notice: how many days ago, and what changed with it."""

    days: int
    change: str = ""
    retention_days: int | None = None


@dataclass(frozen=True)
class PurposeData:
    """A purpose and what it asks for."""

    code: str
    title: str
    description: str
    retention_days: int
    days: int
    apps: tuple[str, ...]
    signals: tuple[str, ...]
    own_signals: tuple[str, ...]
    """Asked for only in apps that show nobody's data but one's own."""
    notices: tuple[NoticeData, ...]
    asked_from: int

    def asks(self, app: AppData) -> tuple[str, ...]:
        """Return the signals that the purpose asks for in the app."""
        return self.signals + (self.own_signals if app.data_of == "own" else ())


@dataclass(frozen=True)
class EvidenceData:
    """A document that closes gates; `purposes` empty means for all of them."""

    title: str
    days: int
    gates: tuple[tuple[str, str], ...]
    purposes: tuple[str, ...] = ()
    valid_days: int = 365
    not_applicable: str = ""


@dataclass(frozen=True)
class AgreementData:
    """A works agreement as caps."""

    code: str
    title: str
    parties: str
    jurisdictions: tuple[str, ...]
    apps: tuple[str, ...]
    signals: tuple[str, ...]
    retention_cap_days: int
    days: int
    valid_days: int
    document: str
    council_units: tuple[str, ...]


@dataclass(frozen=True)
class ProposalData:
    """A change that waits for others when somebody first signs in."""

    kind: str
    payload: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class HoursData:
    """The organisation's own working hours for one place."""

    whom: str
    hours: WorkingHours


@dataclass(frozen=True)
class Programme:
    """What is asked for, and what was done first."""

    purposes: tuple[PurposeData, ...]
    agreement: AgreementData
    proposal: ProposalData
    hours: HoursData
    evidence: tuple[EvidenceData, ...]


@dataclass(frozen=True)
class Names:
    """What invented people and their machines are called."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    machines: dict[str, tuple[str, ...]] = field(hash=False)


@cache
def company() -> Company:
    """Return the company."""
    raw = _read("company.toml")
    return Company(
        name=raw["name"],
        domain=raw["domain"],
        places=tuple(Place(**_frozen(place)) for place in raw["places"]),
        units=tuple(Unit(**_frozen(unit)) for unit in raw["units"]),
        personas=tuple(Persona(**persona) for persona in raw["personas"]),
    )


@cache
def apps() -> dict[str, AppData]:
    """Return the apps by code, in the order they are listed."""
    return {
        raw["code"]: AppData(
            code=raw["code"],
            name=raw["name"],
            category=raw["category"],
            data_of=raw["data_of"],
            matchers=tuple(_matchers(raw)),
        )
        for raw in _read("apps.toml")["apps"]
    }


@cache
def programme() -> Programme:
    """Return purposes, agreement and evidence."""
    raw = _read("purposes.toml")
    purposes = [
        {**_frozen(one), "notices": tuple(NoticeData(**notice) for notice in one["notices"])}
        for one in raw["purposes"]
    ]
    return Programme(
        purposes=tuple(PurposeData(**one) for one in purposes),
        agreement=AgreementData(**_frozen(raw["agreement"])),
        proposal=ProposalData(**raw["proposal"]),
        hours=_hours(**raw["hours"]),
        evidence=tuple(EvidenceData(**_frozen(one)) for one in raw["evidence"]),
    )


@cache
def names() -> Names:
    """Return what people and machines are called."""
    raw = _read("names.toml")
    machines = {system: tuple(models) for system, models in raw["machines"].items()}
    return Names(tuple(raw["given"]), tuple(raw["family"]), machines)


@cache
def notice_words() -> dict[str, dict[str, Any]]:
    """Return language -> the words that notices are put together from."""
    folder = DATA / "notices"
    return {file.stem: _read(f"notices/{file.name}") for file in sorted(folder.glob("*.toml"))}


def _hours(whom: str, **table: Any) -> HoursData:
    return HoursData(whom, WorkingHours.read(table))


def _matchers(raw: dict[str, Any]) -> list[tuple[Platform, MatcherKind, str]]:
    kinds = (
        ("macos", Platform.MACOS, MatcherKind.BUNDLE_ID),
        ("windows", Platform.WINDOWS, MatcherKind.EXECUTABLE),
        ("aumid", Platform.WINDOWS, MatcherKind.AUMID),
        ("signer", Platform.WINDOWS, MatcherKind.SIGNER),
        ("linux", Platform.LINUX, MatcherKind.EXECUTABLE),
        ("web", Platform.WEB, MatcherKind.DOMAIN),
    )
    return [(platform, kind, value) for key, platform, kind in kinds for value in raw.get(key, ())]


def _frozen(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the table with tuples for lists, at both levels."""

    def freeze(value: Any) -> Any:
        return tuple(freeze(item) for item in value) if isinstance(value, list) else value

    return {key: freeze(value) for key, value in raw.items()}


def _read(name: str) -> dict[str, Any]:
    with (DATA / name).open("rb") as file:
        return tomllib.load(file)
