"""What came of a check, as a table for people and as JSON for programs. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

WIDTH: Final = 28
"""Of the column of names; none is longer than that and a space."""
NEVER_ASKED: Final = "missing: any poll at all"
SILENT: Final = (
    "The command never asked for a policy. It is told where in its environment: SAYSO_POLICY_URL,"
    ' SAYSO_TOKEN and the others that the kit\'s README lists under "contract"; it keeps its files'
    " in SAYSO_STATE, and reads events from its standard input."
)


@dataclass(frozen=True, slots=True)
class Result:
    """One question and its answer: `wrong` is empty where all is well."""

    name: str
    asks: str
    wrong: tuple[str, ...] = ()
    seconds: float = 0.0
    said: str = ""  # the last words of the agent's own output, where something is wrong
    skipped: str = ""  # why it could not be looked at

    @property
    def verdict(self) -> str:
        """Return the answer in one word."""
        if self.skipped:
            return "skipped"
        return "FAILED" if self.wrong else "passed"


def line(result: Result) -> str:
    """Return one row of the table, and a row for each thing that is wrong."""
    rows = [f"{result.verdict:8}{result.name:{WIDTH}}{result.asks}"]
    details = result.wrong or ((result.skipped,) if result.skipped else ())
    return "\n".join([*rows, *(f"{'':8}{'':{WIDTH}}- {detail}" for detail in details)])


def summary(results: Sequence[Result]) -> str:
    """Return how many passed, failed and were skipped."""
    counts = [f"{_count(results, word)} {word.lower()}" for word in ("passed", "FAILED", "skipped")]
    silent = bool(results) and all(NEVER_ASKED in result.wrong for result in results)
    return "\n".join([", ".join(counts), *([SILENT] if silent else [])])


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
