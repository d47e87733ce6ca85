"""What the kit's portal holds against a batch beside its lease. Pure."""

from typing import Any

from sayso_agent.words import SHOWS_OTHER_WINDOWS


def pairs(allow: list[dict[str, Any]], purpose: str) -> set[tuple[str, str]]:
    """Return every pair (app, signal) that is allowed for the purpose."""
    lines = [entry for entry in allow if entry["purpose"] == purpose]
    return {(entry["app"], signal) for entry in lines for signal in entry["signals"]}


def windows_against(body: dict[str, Any], allowed: set[tuple[str, str]]) -> list[str]:
    """Return what speaks against pictures and titles: each must list every window in sight."""
    found = []
    for signal in sorted(SHOWS_OTHER_WINDOWS & set(body["signals"])):
        apps = body.get("visible", {}).get(signal, [])
        if body["app"] not in apps:
            found.append("visible_unknown")
        elif not {(app, signal) for app in apps} <= allowed:
            found.append("visible_not_allowed")
    return found
