"""Changes to the registry of apps: listed, described otherwise, blocked and unblocked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from audit.ledger import Actor
from consent.exceptions import ChangeUnfit
from consent.models import AllowlistEntry, App
from consent.policy.types import NEVER_CATEGORIES, AppCategory, DataOf, MatcherKind, Platform
from consent.services.apps import change_app, leaves_protection, list_app, report_app, unblock_app
from consent.services.changes.given import PLACE, Given
from consent.services.changes.kind import NOTHING, Change, Payload, Reach, Standing, app_of
from consent.services.marks import check_marks

NAME: Final = 120
MATCHER: Final = 253
FIELDS: Final = (
    "name",
    "category",
    "data_of",
    "counterparties",
    "counterparties_masked",
    "matchers",
)

MASKED: Final = "counterparties_masked"

Matchers = list[list[str]]


@dataclass(frozen=True)
class AppList(Change):
    """An app that nobody knew; being listed allows nothing, a purpose must ask for it."""

    kind: ClassVar[str] = "app.list"

    code: str
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the code and every field."""
        # Whether others' words are masked does nothing now (ADR 28); older proposals still say it.
        named = [name for name in FIELDS if name != MASKED or given.has(name)]
        return cls(given.code("code"), {name: _READERS[name](given) for name in named})

    def check(self) -> None:
        """Refuse a code that is taken, and marks that could not be stored under its category."""
        if App.objects.filter(code=self.code).exists():
            raise ChangeUnfit("code: is taken by another app")
        check_marks(self.fields["matchers"], category=AppCategory(self.fields["category"]))

    def standing(self) -> Standing:
        """Return the app as it stands, all of it null where there is none."""
        app = App.objects.filter(code=self.code).first()
        return _fields(app) if app else dict.fromkeys(FIELDS)

    def tightens(self) -> bool:
        """Say whether it is one that is never captured: then agents must know it at once."""
        return _never(self.fields["category"])

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """List it."""
        list_app(
            code=self.code,
            name=self.fields["name"],
            category=AppCategory(self.fields["category"]),
            data_of=self.fields["data_of"],
            counterparties=self.fields["counterparties"],
            counterparties_masked=self.fields.get(MASKED, False),
            matchers=[
                (Platform(platform), MatcherKind(kind), value)
                for platform, kind, value in self.fields["matchers"]
            ],
            actor=actor,
            at=at,
        )

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Let its kind be unknown, which denies: what was listed is not forgotten."""
        unknown = {"category": AppCategory.UNKNOWN.value}
        return AppChange.kind, {"app": self.code, "fields": unknown}


@dataclass(frozen=True)
class AppChange(Change):
    """Other facts about an app. Whatever may let a protected window through asks the council."""

    kind: ClassVar[str] = "app.change"

    app: str
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the fields that are named, at least one."""
        app = given.code("app")
        inner = given.inner("fields")
        fields = {name: _READERS[name](inner) for name in FIELDS if inner.has(name)}
        inner.finish()
        if not fields:
            given.refuse("fields", "must name at least one")
        return cls(app, fields)

    def standing(self) -> Standing:
        """Return the same fields as they stand."""
        stand = _fields(app_of(self.app))
        return {name: stand[name] for name in self.fields}

    def check(self) -> None:
        """Refuse an unknown app, and marks that could not be stored."""
        if "matchers" in self.fields:
            check_marks(self.fields["matchers"], app=app_of(self.app))
        self.standing()

    def tightens(self) -> bool:
        """Say whether every field it changes can only take away."""
        if self._unprotects():
            return False
        app = app_of(self.app)
        stand = _fields(app)
        changed = {name: new for name, new in self.fields.items() if new != stand[name]}
        return all(_tightens(app, name, stand[name], new) for name, new in changed.items())

    def approvals(self) -> int:
        """Return two where something protected might be let through, else one."""
        return 2 if self._unprotects() else 1

    def council_always(self) -> bool:
        """Say whether something protected might be let through."""
        return self._unprotects()

    def reach(self) -> Reach:
        """Return the app and the purposes that ask for it; no purpose, no agreement touched."""
        return _reach(self.app)

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Change the fields."""
        change_app(app=app_of(self.app), fields=dict(self.fields), actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Give the facts that stood before."""
        return self.kind, {"app": self.app, "fields": dict(before)}

    def _unprotects(self) -> bool:
        return leaves_protection(app_of(self.app), self.fields)


@dataclass(frozen=True)
class AppUnblock(Change):
    """A report about an app was mistaken: two approvers and every council known must say so."""

    kind: ClassVar[str] = "app.unblock"

    app: str

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the app's code."""
        return cls(given.code("app"))

    def standing(self) -> Standing:
        """Return whether it is blocked, and what it is suspected to be."""
        return _blocked(self.app)

    def standing_as(self, told: Standing, *, at: datetime) -> Standing:
        """Return it without the number of reports where that was not told, if none came since."""
        stands = self.standing()
        reports = app_of(self.app).reports.filter(settled_at__isnull=True)
        if "reports" not in told and not reports.filter(recorded_at__gt=at).exists():
            del stands["reports"]
        return stands

    def tightens(self) -> bool:
        """Say no."""
        return False

    def approvals(self) -> int:
        """Return two."""
        return 2

    def council_always(self) -> bool:
        """Say yes."""
        return True

    def reach(self) -> Reach:
        """Return the app and the purposes that ask for it."""
        return _reach(self.app)

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Unblock it."""
        unblock_app(app=app_of(self.app), actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Block it again, on the same suspicion."""
        suspected = before["suspected"] or [AppCategory.PERSONAL.value]
        return AppBlock.kind, {"app": self.app, "suspected": suspected[0]}


@dataclass(frozen=True)
class AppBlock(Change):
    """An app is blocked at once, since it may show what must never be captured."""

    kind: ClassVar[str] = "app.block"

    app: str
    suspected: AppCategory

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the app and the protected kind it is suspected to be."""
        suspected = given.word("suspected", AppCategory)
        if suspected not in NEVER_CATEGORIES:
            given.refuse("suspected", "must be a kind that is never captured")
        return cls(given.code("app"), suspected)

    def standing(self) -> Standing:
        """Return whether it is blocked, and what it is suspected to be."""
        return _blocked(self.app)

    def tightens(self) -> bool:
        """Say yes."""
        return True

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Report it, in the name of who proposed it."""
        report_app(
            app=app_of(self.app),
            suspected=self.suspected,
            reporter=UUID(actor.ref),
            actor=actor,
            at=at,
        )

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Unblock it."""
        return AppUnblock.kind, {"app": self.app}


def _counterparties(given: Given) -> list[str] | None:
    if given.is_null("counterparties"):
        return None
    found = given.names("counterparties", longest=8)
    if wrong := [code for code in found if not PLACE.fullmatch(code)]:
        given.refuse("counterparties", f"{wrong[0]!r} is no code of a place")
    return sorted(found)


def _read_matchers(given: Given) -> Matchers:
    rows = given.rows("matchers", 3)
    platforms, kinds = {p.value for p in Platform}, {k.value for k in MatcherKind}
    for platform, kind, value in rows:
        if platform not in platforms or kind not in kinds or len(value) > MATCHER:
            given.refuse("matchers", "each must be a platform, a kind of mark and its value")
    return sorted([list(row) for row in rows])


_READERS: Final[Mapping[str, Callable[[Given], Any]]] = {
    "name": lambda given: given.text("name", longest=NAME),
    "category": lambda given: given.word("category", AppCategory).value,
    "data_of": lambda given: given.word("data_of", DataOf).value,
    "counterparties": _counterparties,
    "counterparties_masked": lambda given: given.flag("counterparties_masked"),
    "matchers": _read_matchers,
}


def _fields(app: App) -> Standing:
    return {
        "name": app.name,
        "category": app.category,
        "data_of": app.data_of,
        "counterparties": None if app.counterparties is None else sorted(app.counterparties),
        "counterparties_masked": app.counterparties_masked,
        "matchers": _matchers(app),
    }


def _matchers(app: App) -> Matchers:
    marks = app.matchers.values_list("platform", "kind", "value")
    return sorted([platform, kind, value] for platform, kind, value in marks)


def _blocked(code: str) -> Standing:
    app = app_of(code)
    suspected = app.reports.filter(settled_at__isnull=True).values_list("suspected", flat=True)
    return {
        "blocked": app.blocked_at is not None,
        "reports": len(suspected),  # those who agree to settle them agree to no later one
        "suspected": sorted(set(suspected)),
    }


def _reach(code: str) -> Reach:
    entries = AllowlistEntry.objects.filter(app__code=code, delisted_at__isnull=True)
    purposes = frozenset(entries.values_list("purpose__code", flat=True))
    return Reach(purposes=purposes, apps=frozenset({code})) if purposes else NOTHING


def _never(category: str) -> bool:
    return AppCategory(category) in NEVER_CATEGORIES


def _rows(matchers: Matchers) -> set[tuple[str, ...]]:
    return {tuple(row) for row in matchers}


def _tightens(app: App, name: str, old: Any, new: Any) -> bool:
    """Say whether a field that changes can only take away; whatever is doubtful widens."""
    match name:
        case "category":
            return _never(new) or (new == AppCategory.UNKNOWN and not _never(old))
        case "data_of":
            return bool(old == DataOf.OWN)
        case "counterparties":
            return new is None or (old is not None and set(new) >= set(old))
        case "counterparties_masked":
            return not new
        case "matchers":
            # More marks of an ordinary app let more windows through; of a protected one, fewer.
            protected = app.never or app.blocked_at is not None
            return protected and _rows(new) >= _rows(old)
        case _:
            return False
