"""Figures as tables that people read: the median of the rounds, and their spread. Pure but I/O."""

import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

Figures = dict[str, Any]
Round = dict[str, Any]

HEADING: Final = "## Measured"
WORDS: Final = {
    "agreement": "works agreement of one place",
    "allowlist": "one signal more on the allowlist",
    "retention": "retention of a purpose",
}


def tables(figures: Figures) -> str:
    """Return all tables as Markdown, below their heading."""
    parts = (_where, _company, _decisions, _changes, _weight, _load)
    return "\n\n".join([HEADING, *("\n".join(part(figures)) for part in parts)]) + "\n"


def write_into(page: Path, figures: Figures) -> None:
    """Put the tables into the page in place of those that are there, up to the next heading."""
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(f"{HEADING}\n")
    if not found:
        raise ValueError(f"{page} has no heading '{HEADING}'")
    _, following, after = rest.partition("\n## ")
    page.write_text(f"{before}{tables(figures)}{following}{after}", encoding="utf-8")


def spread(values: Iterable[float], digits: int = 0) -> str:
    """Return the median, and where they differ the least and the most."""
    known = sorted(values)
    middle, least, most = (
        f"{round(value, digits):,.{digits}f}"
        for value in (statistics.median(known), known[0], known[-1])
    )
    return middle if least == most else f"{middle} ({least} to {most})"


def _where(figures: Figures) -> Iterator[str]:
    host = figures["machine"]
    first = next(iter(figures["rounds"][0].values()))
    number = len(figures["rounds"])
    rounds = "One round" if number == 1 else f"{number} rounds"
    yield (
        f"{figures['date']}; {host['cores']} cores ({host['processor']}), {host['memory']} of"
        f" memory, {host['system']}, Python {host['python']},"
        f" PostgreSQL {first['sizes']['postgresql']}. {rounds}, the"
        " headcounts in turn; where brackets are, the median with the least and the most."
    )


def _company(figures: Figures) -> Iterator[str]:
    filled = figures["filled"]
    yield from _table(
        filled,
        {
            "people": lambda one: f"{one['subject']:,}",
            "cohorts": lambda one: f"{one['cohort']:,}",
            "people who decided something": lambda one: f"{one['decided']:,}",
            "decisions on record": lambda one: f"{one['consentevent']:,}",
            "pairs of app and signal in them": lambda one: f"{one['consentscope']:,}",
            "machines with a token": lambda one: f"{one['agent']:,}",
            "apps in the registry": lambda one: f"{one['app']:,}",
            "a cohort's document, kB": lambda one: f"{one['document_bytes'] / 1000:.0f}",
            "copying, s": lambda one: f"{one['copy_seconds']:.0f}",
            "copies compared with twins": lambda one: f"{one['compared']['people']:,}",
            "their rows, all equal": lambda one: f"{one['compared']['rows']:,}",
            "their decisions, all equal": lambda one: f"{one['compared']['decisions']:,}",
        },
    )


def _decisions(figures: Figures) -> Iterator[str]:
    yield "### Decisions on one core"
    yield ""
    pure = [one["pure"] for turn in figures["rounds"] for one in turn.values()]
    yield "| the pure core | decisions per second |"
    yield "|---|---|"
    yield f"| each question alone | {spread(one['alone_per_second'] for one in pure)} |"
    yield f"| what is shared worked out once | {spread(one['shared_per_second'] for one in pure)} |"
    yield f"| ratio | {spread((one['ratio'] for one in pure), 1)} |"
    yield ""
    yield from _rounds(
        figures,
        {
            "people per second, from the database": (_of("verdicts", "people_per_second"), 1),
            "decisions per second": (_of("verdicts", "decisions_per_second"), 0),
        },
    )


def _changes(figures: Figures) -> Iterator[str]:
    for kind, words in WORDS.items():
        yield f"### A rule change: {words}"
        yield ""
        yield from _rounds(
            figures,
            {
                "cohorts there are": (_change(kind, "cohorts"), 0),
                "cohorts written": (_change(kind, "revisions"), 0),
                "rows written in all": (_change(kind, "rows"), 0),
                "rows of people written": (_change(kind, "people_written"), 0),
                "call to commit, ms": (_change(kind, "commit"), 0),
                "agents that polled": (_change(kind, "agents"), 0),
                "commit to the first of them, ms": (_change(kind, "first"), 0),
                "commit to half of them, ms": (_change(kind, "half"), 0),
                "commit to the last of them, ms": (_change(kind, "last"), 0),
                "the same polls with no change, ms": (_change(kind, "polls_alone"), 0),
                "polls answered a second at rest": (_change(kind, "polls_per_second"), 0),
                "evaluating everyone anew, s": (_everyone, 0),
            },
        )
        yield ""


def _weight(figures: Figures) -> Iterator[str]:
    yield "### Memory and size"
    yield ""
    yield from _rounds(
        figures,
        {
            "web process before any poll, MiB (PSS)": (_of("memory", "idle"), 0),
            "web process after all polls, MiB (PSS)": (_of("memory", "polled"), 0),
            "database, MB": (lambda one, _: one["sizes"]["database"] / 1e6, 0),
        },
    )


def _load(figures: Figures) -> Iterator[str]:
    yield "### What else the machine did"
    yield ""
    yield from _rounds(
        figures,
        {
            "cores busy with other things, before": (_of("before", "busy"), 2),
            "cores busy with other things, after": (_of("after", "busy"), 2),
            "load average before": (_of("before", "load"), 1),
            "seconds measured": (lambda one, _: one["seconds"], 0),
        },
    )


Value = Callable[[Round, int], float]


def _of(part: str, name: str) -> Value:
    return lambda one, _: float(one[part][name])


def _change(kind: str, name: str) -> Value:
    return lambda one, _: float(one["changes"][kind][name])


def _everyone(one: Round, people: int) -> float:
    return float(people / one["verdicts"]["people_per_second"])


def _rounds(figures: Figures, rows: dict[str, tuple[Value, int]]) -> Iterator[str]:
    """Yield a table with a column for each headcount, of all rounds."""
    counts = list(figures["filled"])
    yield "| | " + " | ".join(f"{int(count):,} people" for count in counts) + " |"
    yield "|---" * (len(counts) + 1) + "|"
    for words, (value, digits) in rows.items():
        cells = [
            spread((value(turn[count], int(count)) for turn in figures["rounds"]), digits)
            for count in counts
        ]
        yield f"| {words} | " + " | ".join(cells) + " |"


def _table(filled: dict[str, Any], rows: dict[str, Callable[[Any], str]]) -> Iterator[str]:
    yield "| | " + " | ".join(f"{int(count):,} people" for count in filled) + " |"
    yield "|---" * (len(filled) + 1) + "|"
    for words, value in rows.items():
        yield f"| {words} | " + " | ".join(value(one) for one in filled.values()) + " |"
