"""The page of error codes: what the API answers, and every refusal of the packages below it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

from django.conf import settings
from rest_framework import exceptions

from audit.errors import LedgerError
from audit.reporting.errors import FAILURES, ReportError
from consent.exceptions import ConsentError
from portal.api.batches import STATUS_OF
from portal.api.errors import NEXT_STEPS
from portal.management.reference.markdown import NOTE, mono, page, table
from retention.exceptions import RetentionError
from retention.manifests import MOST_A_SECOND

OURS: Final = ("audit", "consent", "portal", "retention")
STATUS_ELSEWHERE: Final = {**STATUS_OF, "policy_never_issued": 422, "applied_at_wrong": 422}
FROM_THE_FRAMEWORK: Final = (
    exceptions.ParseError,
    exceptions.NotFound,
    exceptions.MethodNotAllowed,
    exceptions.UnsupportedMediaType,
)
BATCH_REASONS: Final = {
    "never_category": "The app is never captured, or was reported as such; nothing else is said.",
    "person_departed": "The person has left the organisation.",
    "agent_not_active": "The agent is no longer in good standing.",
    "batch_too_large": "The batch has more bytes than `limits` in the policy allows.",
    "batch_too_long": "The interval is longer than `limits.batch_seconds` in the policy.",
    "more_events_than_bytes": (
        "More events are counted than there are bytes: each takes one at least, however written."
    ),
    "more_events_than_time": (
        f"More than {MOST_A_SECOND:,} events of a signal for each second that was begun; the signal"
        " is named after a colon."
    ),
    "redactor_unknown": (
        "A signal of content whose redaction profile the named redactor is not known to have"
        " (`SAYSO_REDACTORS`); the signal is named after a colon."
    ),
    "policy_never_issued": "No policy of that version was issued to this agent.",
    "policy_superseded": (
        "A policy that was issued to this agent later, and before the interval ended, did not allow"
        " all of it."
    ),
    "app_not_allowed": "The policy of that version did not allow the app for the purpose.",
    "signal_not_allowed": "The policy did not allow this signal there; it is named after a colon.",
    "visible_unknown": (
        "A picture or title without the list of all windows that could be seen, or with a list"
        " that leaves out its own app; the signal is named after a colon."
    ),
    "visible_not_allowed": (
        "An app whose window could be seen on a picture or title was not allowed for that signal;"
        " the signal is named after a colon."
    ),
    "outside_the_lease": "Part of the interval lies before or after the lease of that version.",
    "outside_every_lease": (
        "Part of the interval lies in no lease that this agent was ever given. This one reason"
        " makes the batch an incident (`batch_quarantined`)."
    ),
    "no_signals": "The manifest names no signal.",
    "captured_in_the_future": "The interval ends after now.",
    "consent_does_not_stand": (
        "On arrival no yes stood for the purpose, or it has not stood all the time since the"
        " policy: a new yes does not bring back what the last one's end ended."
    ),
    "signal_not_consented": (
        "On arrival the yes no longer covered the app and signal, or one since the policy did not."
    ),
    "handed_in_before": "The same capture came in before, under another id.",
    "paused": "A pause overlaps the interval.",
    "struck": "A strike overlaps the interval: the person had it forgotten.",
    "notice_waiver_withdrawn": (
        "The person took back that they agreed to a shorter notice, after the policy and before"
        " the end of the interval."
    ),
    "outside_work_hours": "Part of the interval lies outside the working hours that held then.",
    "kill_switch": "A kill switch over the purpose, or over everything, overlaps the interval.",
}
"""Why admission refuses a batch; a contract test finds the same codes in retention."""


@dataclass
class Code:
    """One stable error code: what it means, what to do, and where it is seen."""

    code: str
    details: list[str] = field(default_factory=list)
    next_step: str = ""
    status: int | None = None


def errors() -> str:
    """Every stable code, each under a heading of its own so that links can point at it."""
    api = {code.code: code for code in _api_codes()}
    families = (
        ("About consent", ConsentError),
        ("About batches and stores", RetentionError),
        ("About reports", ReportError),
        ("About the ledger", LedgerError),
    )
    _import_all()
    parts = [
        "# Error codes",
        NOTE,
        (
            "The API answers with problem details (RFC 9457): `type`, `title`, `status`, `detail`,"
            " `code` and `next_step`. The code never changes its meaning; the sentences may.\n"
        ),
        "## Answers of the API\n",
        *(_code_block(code) for code in api.values()),
    ]
    for title, base in families:
        found = [_code_of(kind) for kind in _family(base)]
        if blocks := [_code_block(code) for code in found if code.code not in api]:
            parts += [f"## {title}\n", *blocks]
    parts += [
        "## Why a batch is refused\n",
        "In `reasons` of a problem with the code `batch_refused` or `batch_quarantined`.\n",
        table(("reason", "meaning"), ((mono(k), v) for k, v in BATCH_REASONS.items())),
        "## Why a report could not be written\n",
        table(("failure", "meaning"), ((mono(k), v) for k, v in FAILURES.items())),
        (
            "Reasons why nothing may be recorded are decisions, not errors: see [signals, states"
            " and reasons](signals-and-states.md)."
        ),
    ]
    return page(parts)


def _api_codes() -> Iterator[Code]:
    """Yield what the API itself says: its own problems, the framework's, those of retention."""
    found: dict[str, Code] = {}
    folders = (settings.BASE_DIR / "portal" / name for name in ("api", "endpoint"))
    files = [path for folder in folders for path in folder.glob("*.py")]
    ahead = (settings.BASE_DIR / "portal" / name for name in ("intake.py", "uploads.py"))
    for path in sorted([*files, *ahead]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for code in _raised(node):
                known = found.setdefault(code.code, code)
                known.details += [said for said in code.details if said not in known.details]
    for kind in FROM_THE_FRAMEWORK:
        found[kind.default_code] = Code(
            kind.default_code,
            [TITLES_OF_FRAMEWORK[kind.default_code]],
            NEXT_STEPS[kind.status_code],
            kind.status_code,
        )
    found["invalid_request"] = Code(
        "invalid_request",
        ["Some members of the request are missing or wrong; `errors` names them."],
        NEXT_STEPS[400],
        400,
    )
    refusals = [_code_of(kind) for base in (ConsentError, RetentionError) for kind in _family(base)]
    found |= {code.code: code for code in refusals if code.status}
    yield from sorted(found.values(), key=lambda code: (code.status or 0, code.code))


TITLES_OF_FRAMEWORK: Final = {
    "parse_error": "The body is no JSON document.",
    "not_found": "Nothing is at this address.",
    "method_not_allowed": "The address does not know this method.",
    "unsupported_media_type": "The body is of another type than JSON.",
}


def _raised(node: ast.AST) -> Iterator[Code]:
    """Yield the code that a call of `Problem`, `Refusal` or `unknown_token` in the source names."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return
    if node.func.id == "unknown_token":
        yield Code("token_unknown", [ast.literal_eval(node.args[0])], NEXT_STEPS[401], 401)
    said = {word.arg: word.value for word in node.keywords}
    if node.func.id in {"Problem", "Refusal"} and isinstance(said.get("detail"), ast.Constant):
        literal = {
            name: value.value
            for name, value in said.items()
            if name and isinstance(value, ast.Constant)
        }
        yield Code(
            str(literal["code"]),
            [str(literal["detail"])],
            str(literal["next_step"]),
            int(str(literal.get("status_code") or literal["status"])),
        )


def _import_all() -> None:
    """Import our packages, so that every error class is known."""
    for name in OURS:
        package = import_module(name)
        for module in walk_packages(package.__path__, f"{name}."):
            if ".migrations" not in module.name and module.name != "portal.celery":
                import_module(module.name)


def _family(base: type[Exception]) -> Iterator[type[Exception]]:
    """Yield all of our errors below the base."""
    for kind in base.__subclasses__():
        if kind.__module__.partition(".")[0] in OURS:
            yield kind
            yield from _family(kind)


def _code_of(kind: type[Exception]) -> Code:
    code = str(getattr(kind, "code", ""))
    return Code(
        code,
        [" ".join((kind.__doc__ or "").split())],
        str(getattr(kind, "next_step", "")),
        STATUS_ELSEWHERE.get(code),
    )


def _code_block(code: Code) -> str:
    lines = [f"### {code.code}\n", " ".join(code.details)]
    if code.next_step:
        lines.append(f"\nNext step: {code.next_step}")
    if code.status:
        lines.append(f"\nHTTP status {code.status}.")
    return "\n".join(lines) + "\n"
