"""A policy for tests: one app that may be recorded, one that is known, one that never is. Pure."""

from typing import Any


def policy_document(**changes: Any) -> dict[str, Any]:
    """Return the parts of a policy that do not depend on the moment."""
    document = {
        "v": 1,
        "poll_after": 30,
        "default": {"decision": "deny", "reasons": ["app_not_allowlisted"]},
        "apps": {
            "tracker": {
                "name": "Tracker",
                "category": "tracker",
                "matchers": [{"platform": "web", "kind": "domain", "value": "tracker.example.com"}],
            },
            "expenses": {
                "name": "Expenses",
                "category": "finance",
                "matchers": [
                    {"platform": "web", "kind": "domain", "value": "expenses.example.com"}
                ],
            },
            "people": {
                "name": "People",
                "category": "hr",
                "matchers": [{"platform": "web", "kind": "domain", "value": "hr.example.com"}],
            },
        },
        "allow": [
            {
                "purpose": "train-agents",
                "app": "tracker",
                "signals": ["mouse_click", "scroll"],
                "retention_days": 30,
            }
        ],
        "deny": [
            {
                "purpose": "train-agents",
                "apps": ["tracker"],
                "signals": ["mouse_move"],
                "reasons": ["signal_not_consented"],
            }
        ],
        "never": {
            "categories": ["hr", "health"],
            "signals": ["secure_input"],
            "matchers": [
                {"platform": "macos", "kind": "bundle_id", "value": "com.1password.1password"}
            ],
        },
        "paused": False,
        "strikes": [],
        "schedule": [],
        "windows": {
            "private": "deny",
            "other_sessions": "deny",
            "every_visible_for": ["screen_video", "screenshot", "window_title"],
        },
        "sessions": ["own"],
        "bystanders": {
            situation: ["comms_content", "screen_video", "screenshot"]
            for situation in ("call", "screen_share")
        },
        "redaction": {"profiles": {"window_title": "text-1"}, "without": "deny"},
        "embargo_seconds": 0,
        "limits": {
            "batch_bytes": 5_000_000,
            "batch_seconds": 900,
            "bytes_per_second": 500_000,
            "spool_seconds": 259_200,
        },
    }
    return {**document, **changes}


def app(category: str, *marks: tuple[str, str, str]) -> dict[str, Any]:
    """Return an app that has these marks: platform, kind, value."""
    names = ("platform", "kind", "value")
    matchers = [dict(zip(names, mark, strict=True)) for mark in marks]
    return {"name": category.title(), "category": category, "matchers": matchers}


def allow(app: str, *signals: str, purpose: str = "train-agents") -> dict[str, Any]:
    """Return one line of `allow`."""
    return {"purpose": purpose, "app": app, "signals": list(signals), "retention_days": 30}
