"""What came of a check, as a table for people and as JSON for programs. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sayso_agent.words import printable

WIDTH: Final = 28
"""Of the column of names; none is longer than that and a space."""
NEVER_ASKED: Final = "missing: any poll at all"
SILENT: Final = (
    "The command never asked for a policy. It is told where in its environment: SAYSO_POLICY_URL,"
    " SAYSO_TOKEN and the others that --contract lists; it keeps its files in SAYSO_STATE, and"
    " reads events from its standard input."
)
AGAIN: Final = (
    "What is missing was allowed and did not come; what arrived must not come. --only NAME plays"
    " one again and shows what was fed and said, --contract says what an agent has to do."
)
LAST_WORDS: Final = 3
"""So many lines of what an agent said are shown where it failed."""


@dataclass(frozen=True, slots=True)
class Result:
    """One question and its answer: `wrong` is empty where all is well."""

    name: str
    asks: str
    wrong: tuple[str, ...] = ()
    seconds: float = 0.0
    said: str = ""  # the last words of the agent's own output, where something is wrong
    ended: int | None = None  # its exit code, where it ended before its input did
    fed: tuple[str, ...] = ()  # the lines of events that arrived, or did not, against the rules
    skipped: str = ""  # why it could not be looked at

    @property
    def verdict(self) -> str:
        """Return the answer in one word."""
        if self.skipped:
            return "skipped"
        return "FAILED" if self.wrong else "passed"


def line(result: Result, *, whole: bool = False) -> str:
    """Return one row of the table, and a row for each thing that is wrong.

    Of what the agent was fed and said it shows the end, the `whole` of it where that is asked for.
    """
    rows = [f"{result.verdict:8}{result.name:{WIDTH}}{result.asks}"]
    details = result.wrong or ((result.skipped,) if result.skipped else ())
    if result.wrong:
        details = (*details, *_of_the_agent(result, whole=whole))
    return "\n".join([*rows, *(f"{'':8}{'':{WIDTH}}- {detail}" for detail in details)])


def _of_the_agent(result: Result, *, whole: bool) -> Iterator[str]:
    """Yield how the agent ended and what it said last: mostly it knows why."""
    if result.ended is not None:
        yield f"the agent had ended by itself, with exit code {result.ended}"
    if whole:
        yield from (f"fed: {text}" for text in result.fed)
    said = [text for text in result.said.splitlines() if text.strip()]
    for text in said if whole else said[-LAST_WORDS:]:
        yield f"it said: {printable(text, limit=160)}"


def summary(results: Sequence[Result]) -> str:
    """Return how many passed, failed and were skipped."""
    counts = [f"{_count(results, word)} {word.lower()}" for word in ("passed", "FAILED", "skipped")]
    if not failed(results):
        return ", ".join(counts)
    silent = all(NEVER_ASKED in result.wrong for result in results)
    judged = any(detail.startswith(("missing", "arrived")) for r in results for detail in r.wrong)
    hints = [SILENT] if silent else [AGAIN] if judged else []
    return "\n".join([", ".join(counts), *hints])


def document(target: str, results: Sequence[Result]) -> dict[str, Any]:
    """Return everything as one JSON value."""
    return {
        "target": target,
        "passed": _count(results, "passed"),
        "failed": _count(results, "FAILED"),
        "skipped": _count(results, "skipped"),
        "results": [{**asdict(result), "verdict": result.verdict.lower()} for result in results],
    }


def failed(results: Iterable[Result]) -> bool:
    """Return whether anything is wrong."""
    return any(result.wrong for result in results)


def _count(results: Iterable[Result], verdict: str) -> int:
    return sum(result.verdict == verdict for result in results)
