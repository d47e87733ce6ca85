"""Which redactors have which profiles: what a manifest may name for signals of content. Pure.

A policy says by which profile each of them is masked, and that a signal is not recorded without. A
machine that says nothing of how it masked, or names a program of which nobody here knows that it
can, is not believed.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from consent.policy.types import REDACTED_BY, RedactionProfile, Signal
from retention.manifests import Manifest

Redactors = Mapping[str, Collection[str]]
"""Program and version, as manifests name them -> its profiles."""

OURS: Final[dict[str, frozenset[str]]] = {
    "sayso-agent/0.1.0": frozenset({RedactionProfile.TEXT_1.value})
}
"""The reference agent. It takes no pictures, for it could not blank what must not be seen."""


def read(entries: Collection[str]) -> dict[str, frozenset[str]]:
    """Return our redactors and those of `entries`: NAME=PROFILE+PROFILE; ValueError for others."""
    known = {profile.value for profile in RedactionProfile}
    found = dict(OURS)
    for entry in entries:
        name, _, said = entry.rpartition("=")
        profiles = frozenset(said.split("+"))
        if not name or not profiles <= known:
            raise ValueError(entry)
        found[name] = profiles
    return found


def redaction_objections(manifest: Manifest, redactors: Redactors) -> Iterator[str]:
    """Yield why signals of content may not be let in for how, or by whom, they were masked."""
    profiles = redactors.get(manifest.redactor, ())
    for signal in sorted(REDACTED_BY.keys() & {Signal(signal) for signal in manifest.signals}):
        if REDACTED_BY[signal].value not in profiles:
            yield f"redactor_unknown:{signal.value}"
