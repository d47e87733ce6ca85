"""`explain`: why one decision about somebody is what it is; the look is recorded first.

At the server, too, the person's own half is left out unless they share it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.ledger import Actor
from consent.exceptions import NotKnownHere
from consent.models import Subject
from consent.policy.factsfile import YEARS
from consent.policy.schema import ALL_SIGNALS
from consent.selectors.explain import Explanation, as_json
from portal.explaining import explain_to_others
from portal.pages.explain import told_of

SYSTEM = Actor.system("command")
CHANNEL = "command"
WORDS = {"allow": "allowed", "deny": "denied", "theirs": "up to the person"}
UNREADABLE = 2
"""The exit status for a question that cannot be answered."""


class Command(BaseCommand):
    """The decision, every reason with its rule and sources, and the papers behind it."""

    help = "Say why one decision about somebody is what it is, now or at an instant of the past."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare who, what and when."""
        parser.add_argument(
            "--subject", required=True, metavar="REF", help="the person's reference"
        )
        parser.add_argument("--app", required=True, metavar="CODE", help="the app's code")
        parser.add_argument("--signal", required=True, metavar="NAME", help="the signal's name")
        parser.add_argument("--purpose", metavar="CODE", help="one purpose; all, if not given")
        parser.add_argument(
            "--at", metavar="INSTANT", help="such as 2026-12-10T09:00Z; now, if not given"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, subject: str, signal: str, json: bool, **said: Any) -> None:
        """Record the look, then print the answer."""
        try:
            found = explain_to_others(
                subject=_subject(subject),
                app=said["app"],
                signal=_signal(signal),
                purpose=said["purpose"],
                at=_instant(said["at"]),
                actor=SYSTEM,
                channel=CHANNEL,
            )
        except NotKnownHere as refusal:
            raise CommandError(str(refusal), returncode=UNREADABLE) from refusal
        self.stdout.write(_as_text(found) if not json else _as_json(found))


def _subject(ref: str) -> Subject:
    try:
        found = Subject.objects.filter(ref=UUID(ref)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotKnownHere("Nobody has this reference.")
    return found


def _signal(name: str) -> Any:
    if name not in ALL_SIGNALS:
        raise NotKnownHere(f"'{name}' is no signal; the signals are: {', '.join(ALL_SIGNALS)}.")
    return ALL_SIGNALS[name]


def _instant(text: str | None) -> datetime:
    """Read an instant, or a day as its beginning; without an offset it is meant in UTC."""
    if text is None:
        return timezone.now()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.year not in YEARS:
        raise NotKnownHere(f"'{text}' is no instant such as 2026-12-10T09:00Z.")
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _as_json(found: Explanation) -> str:
    return json.dumps(as_json(found), indent=2, ensure_ascii=False)


def _as_text(found: Explanation) -> str:
    return "\n".join(_lines(told_of(found)["explained"]))


def _lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield the answer as the page tells it, indented instead of framed."""
    for answer in told["answers"]:
        word = WORDS[answer["word"]]
        kept = f", kept for {answer['retention_days']} days" if answer["permitted"] else ""
        name = answer["title"] or told["app"]
        yield f"{name}: {word}{kept} ({told['signal']}, {told['app']}, {told['at']})"
        for number, reason in enumerate(answer["reasons"], start=1):
            yield f"  {number}. {reason['text']} [{reason['code']}]"
            yield from _behind(reason)
        yield from (f"  + {ground}" for ground in _papers(answer["stands"]))
    if told["personal"]:
        yield told["personal"]
    for policy in told["policies"]:
        allowed = "allowed" if policy["allowed"] else "did not allow"
        lease = f"{policy['issued']} to {policy['until']}"
        yield f"Policy {policy['version']}, {lease}, {allowed} this."
    if told["days"]:
        yield f"The day there: {told['days']}."
    if told["illegible"]:
        yield told["illegible"]
    if told["reconstructed"]:
        yield "Part of this was recorded only later, and is pieced together."
    pack = told["pack"]
    rules = f"Rule pack {pack.version} {pack.digest}." if pack.digest else "No rules were in force."
    yield f"{rules} Not legal advice."


def _behind(reason: dict[str, Any]) -> Iterator[str]:
    if reason["rule"]:
        names = (
            f"{p['name']} ({p['value']})" if p["value"] else p["name"] for p in reason["places"]
        )
        yield f"     {reason['rule']}: {', '.join(names)}".rstrip(": ")
    yield from (f"     - {detail}" for detail in reason["details"])
    yield from (f"     - {paper}" for paper in _papers(reason["grounds"]))
    for source in reason["sources"]:
        yield f"       {source['place']}: {source['text']} ({source['evidence']})"


def _papers(grounds: list[dict[str, str]]) -> Iterator[str]:
    for ground in grounds:
        yield f"{ground['text']} SHA-256 {ground['sha256']}" if ground["sha256"] else ground["text"]
