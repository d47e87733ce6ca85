"""What the kit's portal holds against a batch, by the policies that it issued. Pure."""

from datetime import datetime
from typing import Any

from sayso_agent.words import SHOWS_OTHER_WINDOWS


def objections(
    body: dict[str, Any], issued: dict[str, Any] | None, now: dict[str, Any]
) -> list[str]:
    """Return why a batch may not come in: the one policy of that time must permit all of it.

    `issued` is the document of the version that it names, `now` is what stands today.
    """
    if issued is None:
        return ["policy_version_unknown"]
    reasons = []
    start, end = (datetime.fromisoformat(body[k]).timestamp() for k in ("from", "until"))
    if not issued["iat"] <= start < end <= issued["lease_until"]:
        reasons.append("outside_lease")
    if end - start > issued["limits"]["batch_seconds"]:
        reasons.append("too_long")
    if body["bytes"] > issued["limits"]["batch_bytes"]:
        reasons.append("too_large")
    then, today = (pairs(p["allow"], body["purpose"]) for p in (issued, now))
    if not {(body["app"], signal) for signal in body["signals"]} <= then & today:
        reasons.append("signal_not_allowed")
    reasons += windows_against(body, then & today)
    strikes = now.get("strikes", [])
    if any(start < s["until"] and end > s["from"] for s in strikes if "until" in s):
        reasons.append("struck")
    return reasons


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
