"""A policy as the agent reads it: what is allowed, everything else denied with reasons. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sayso_agent import parts
from sayso_agent.errors import PolicyRefusedError
from sayso_agent.matching import App, NoApp, WindowFacts, find_app
from sayso_agent.parts import Denial, Hours, Limits, Never, Strikes
from sayso_agent.reading import flag, mapping, number, text, texts
from sayso_agent.words import (
    CATEGORIES,
    NEVER_CATEGORIES,
    NEVER_SIGNALS,
    SIGNALS,
    TEXT_PROFILE,
)

FORMAT: Final = 1
LONGEST_LEASE: Final = 24 * 3600
PAUSED: Final = "paused"
NOT_ASKED: Final = "signal_not_listed"
FOLLOWS: Final = "signal_not_consented"  # whatever else is said of consent says why
MOMENTARY: Final = frozenset({PAUSED, "outside_work_hours"})
"""Reasons that speak of the present moment alone, and not of what was captured before it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One verified policy document. `permits` is the only way to a yes."""

    issuer: str
    audience: str
    version: int
    issued_at: int
    lease_until: int
    poll_after: int
    paused: bool
    apps: Mapping[str, App]
    allow: Mapping[tuple[str, str], frozenset[str]]  # (purpose, app) -> signals
    deny: tuple[Denial, ...]
    default_reasons: tuple[str, ...]
    never: Never
    limits: Limits
    strikes: Strikes
    every_visible_for: frozenset[str]  # signals for which each visible window must be allowed
    profiles: Mapping[str, str]  # signal -> how it must be masked
    embargo: int
    own_session: bool  # whether the person's own sessions may be captured: no other ever
    bystanders: Mapping[str, frozenset[str]]  # situation -> signals that are off in it
    schedule: tuple[Hours, ...] = ()
    paused_since: int | None = None  # what was captured from then on must go; None if not said
    uploads: frozenset[str] = frozenset()  # origins besides the portal's where bytes may go

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Self:
        """Return the policy; PolicyRefusedError if any part we need is missing or odd.

        Unknown fields are passed over, unknown signals allow nothing, and a matcher in `never`
        that is not understood refuses the whole policy: what it closes could not be told.
        """
        if payload.get("v") != FORMAT or isinstance(payload.get("v"), bool):
            raise PolicyRefusedError("policy_format_unknown", "only policies of v 1 are known")
        default = mapping(payload, "default")
        if default.get("decision") != "deny":
            raise PolicyRefusedError("policy_not_understood", "the default is not to deny")
        issued_at = number(payload, "iat")
        until = min(number(payload, "lease_until"), issued_at + LONGEST_LEASE)
        if until <= issued_at:
            raise PolicyRefusedError("policy_malformed", "the lease ends before it begins")
        return cls(
            issuer=text(payload, "iss"),
            audience=text(payload, "aud"),
            version=number(payload, "version"),
            issued_at=issued_at,
            lease_until=until,
            poll_after=min(max(number(payload, "poll_after"), 1), 3600),
            paused=flag(payload, "paused"),
            apps=parts.read_apps(payload),
            allow=parts.read_allow(payload),
            deny=parts.read_deny(payload),
            default_reasons=texts(default, "reasons"),
            never=parts.read_never(payload),
            limits=parts.read_limits(payload),
            strikes=parts.read_strikes(payload),
            every_visible_for=parts.read_every_visible_for(payload),
            profiles=parts.read_profiles(payload),
            embargo=number(payload, "embargo_seconds"),
            schedule=parts.read_schedule(payload),
            paused_since=number(payload, "paused_since") if "paused_since" in payload else None,
            own_session="own" in texts(payload, "sessions"),
            bystanders=parts.read_bystanders(payload),
            uploads=parts.read_uploads(payload),
        )

    def permits(self, purpose: str, app: str, signal: str) -> bool:
        """Return whether this may be captured. Silence is no; `deny` and `never` beat `allow`."""
        return not self.reasons(purpose, app, signal)

    def keeps(
        self, purpose: str, app: str, signal: str, stamp: float, visible: Iterable[str] = ()
    ) -> bool:
        """Return whether what was captured earlier may stay on this machine.

        A picture or title stays only where all that could be seen on it is known and permitted.
        What is denied for this moment only, in a pause or outside of working hours, was captured
        before it, and stays; not so what reaches into the pause.
        """
        apps = frozenset(visible)
        if signal in self.every_visible_for and app not in apps:
            return False
        stays = all(self._stays(purpose, one, signal) for one in apps | {app})
        return stays and not self.strikes.cover(stamp) and not self._in_the_pause(stamp)

    def _in_the_pause(self, stamp: float) -> bool:
        return self.paused and self.paused_since is not None and stamp >= self.paused_since

    def _stays(self, purpose: str, app: str, signal: str) -> bool:
        """Return whether nothing speaks against it but the moment.

        A policy need not allow what may not be captured just now: a denial that has no other reason
        says as well that all the rest of it is permitted.
        """
        if self._closed(app, signal):
            return False
        said = self._said(purpose, app, signal)
        if not said:
            return True
        spoken = [denial for denial in self.deny if denial.covers(purpose, app, signal)]
        momentary = all(d.reasons and MOMENTARY.issuperset(d.reasons) for d in spoken)
        return bool(spoken) and momentary and (self.paused or PAUSED not in said)

    def reasons(self, purpose: str, app: str, signal: str) -> tuple[str, ...]:
        """Return every reason why not; an empty answer permits."""
        if closed := self._closed(app, signal):
            return closed
        return (PAUSED,) if self.paused else self._said(purpose, app, signal)

    def _closed(self, app: str, signal: str) -> tuple[str, ...]:
        """Return what no allowance opens: signal, kind of app, or whose session; else empty."""
        if signal in NEVER_SIGNALS or signal in self.never.signals:
            return ("never_signal",)
        if signal not in SIGNALS:
            return ("unknown_signal",)
        known = self.apps.get(app)
        if known is None:
            return ("app_not_allowlisted",)
        if known.category in NEVER_CATEGORIES or known.category in self.never.categories:
            return ("never",)
        if known.category not in CATEGORIES:
            return ("unknown_category",)
        return () if self.own_session else ("other_session",)

    def _said(self, purpose: str, app: str, signal: str) -> tuple[str, ...]:
        """Return what the rest of the policy has against it; empty where it is allowed."""
        said = [denial for denial in self.deny if denial.covers(purpose, app, signal)]
        if said:
            reasons = tuple(dict.fromkeys(reason for d in said for reason in d.reasons))
            return reasons or ("not_allowed",)
        if signal in self.allow.get((purpose, app), frozenset()):
            known_profile = self.profiles.get(signal, TEXT_PROFILE) == TEXT_PROFILE
            return () if known_profile else ("cannot_redact",)
        # The app is on the list, so the default's usual reason would be untrue.
        default = tuple(r for r in self.default_reasons if r != "app_not_allowlisted")
        return default or ("not_allowed",)

    def others_object(self, signal: str, situation: Mapping[str, bool | None]) -> str:
        """Return why a signal must not be captured for the sake of bystanders, or "".

        `situation` says of each situation whether it is given, None where nobody can tell; one that
        it does not name cannot be told at all.
        """
        given = [
            situation.get(name) for name, signals in self.bystanders.items() if signal in signals
        ]
        if True in given:
            return "bystanders_present"
        return "bystanders_unknown" if None in given else ""

    def in_hours(self, purpose: str, moment: float) -> bool:
        """Return whether a purpose is within its working hours, by the portal's clock.

        A purpose without any is bound to none.
        """
        return all(hours.cover(moment) for hours in self.schedule if hours.purpose == purpose)

    def find_app(self, facts: WindowFacts) -> App | NoApp:
        """Return the app a window shows, or why it is none."""
        return find_app(
            facts, self.apps, self.never.matchers, never_categories=self.never.categories
        )

    def purposes(self) -> tuple[str, ...]:
        """Return every purpose the policy names, sorted."""
        allowed = {purpose for purpose, _ in self.allow}
        return tuple(sorted(allowed | {d.purpose for d in self.deny if d.purpose}))

    def permitted(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Yield (purpose, app, signals) for all that may be captured, sorted."""
        for purpose, app in sorted(self.allow):
            signals = sorted(s for s in self.allow[purpose, app] if self.permits(purpose, app, s))
            if signals:
                yield purpose, app, tuple(signals)

    def permits_anything(self) -> bool:
        """Return whether there is anything at all to capture."""
        return next(self.permitted(), None) is not None

    def main_reason(self, before: Iterable[tuple[str, str, str]] = ()) -> str:
        """Return the reason that speaks for most denials, for the one line people see.

        `before` is what (purpose, app, signal) was allowed until then: of that, why it ended.
        """
        if self.paused:
            return PAUSED
        counted = Counter(reason for pair in before for reason in self.reasons(*pair))
        if counted:
            return counted.most_common(1)[0][0]
        # What nobody asks for is most of it, and says nothing of what somebody does ask for.
        asked = [denial for denial in self.deny if NOT_ASKED not in denial.reasons]
        for denial in asked or self.deny:
            weight = max(len(denial.apps), 1) * max(len(denial.signals), 1)
            said = [reason for reason in denial.reasons if reason != FOLLOWS] or denial.reasons
            counted.update(dict.fromkeys(said, weight))
        if counted:
            return counted.most_common(1)[0][0]
        return next(iter(self.default_reasons), "not_allowed")
