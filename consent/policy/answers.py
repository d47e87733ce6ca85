"""What `decide`, `bounds` and `due` answer, for the command line and the page alike. Pure."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from consent.policy.deadlines import EXTENDABLE, Pause, due, pausable
from consent.policy.describe import describe_bounds, describe_decision, plain
from consent.policy.evaluate import evaluate, next_change
from consent.policy.facts import Facts, assume
from consent.policy.factsfile import FactsError, facts_from
from consent.policy.rulebook import Gap, Law, Rulebook
from consent.policy.types import Right

COUNSEL = "counsel_signed_off"
"""The fact that counts as given where it is not: so it stands among what was assumed."""
OVERDUE = "review_overdue"
"""The one gap that leaves the values readable: such a rule denies, but what it says is known."""


LONGEST: Final = 100_000
LONGEST_YAML: Final = 20_000
"""Characters of facts. YAML is read forty times as slowly: neither keeps anybody waiting."""


class NoAnswerError(ValueError):
    """What was asked for cannot be answered; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class BoundsAnswer:
    """The combined values as a table, the law they come from, and what its review lacks."""

    table: dict[str, Any]
    law: Law
    overdue: tuple[Gap, ...]


def read_facts(text: str) -> Any:
    """Read JSON, or else YAML in which a bare NO is a text and a key stands once only."""
    if len(text) > LONGEST:
        raise FactsError(f"The facts are longer than {LONGEST} characters.")
    try:
        return _read(text)
    except FactsError:
        raise
    except (RecursionError, ValueError):  # brackets without end, a number of thousands of digits
        raise FactsError("The facts are nested too deeply, or hold a number too long.") from None


def _read(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once_each)
    except json.JSONDecodeError:
        if len(text) > LONGEST_YAML:
            message = f"The facts are not JSON; in YAML they may have {LONGEST_YAML} characters."
            raise FactsError(message) from None
        from consent.policy.plainyaml import read_plain_yaml  # start-up: most facts are JSON

        return read_plain_yaml(text, _once_each)


def _once_each(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    table: dict[Any, Any] = {}
    for key, value in pairs:
        if key in table:
            raise FactsError(f"The key '{key}' stands twice.")
        table[key] = value
    return table


def decide_answer(table: Any, rulebook: Rulebook) -> dict[str, Any]:
    """Return the decision about the facts of a table, and what it took for granted.

    Raises FactsError, whose one sentence names the key, where the facts cannot be read.
    """
    known = assume(facts_from(table))
    answer = describe_decision(evaluate(known.facts, rulebook), rulebook)
    taken = {COUNSEL} & {*known.not_asked} if _needs_counsel(known.facts, rulebook) else set()
    answer["assumed"] = [*known.assumed, *taken]
    answer["not_asked"] = [name for name in known.not_asked if name not in taken]
    answer["unknown_gates"] = _unknown_gates(known.facts, rulebook)
    answer["next_change"] = plain(next_change(known.facts, rulebook))
    return answer


def _needs_counsel(facts: Facts, rulebook: Rulebook) -> bool:
    """Say whether the answer leans on a signature of counsel."""
    bounds = rulebook.law(facts.jurisdictions | (facts.counterparties or set()), facts.today).bounds
    return bool(bounds and bounds.needs_counsel)


def _unknown_gates(facts: Facts, rulebook: Rulebook) -> list[str]:
    """Name the gates said to be closed that no rule knows: a slip of the pen closes nothing."""
    said = facts.gates if isinstance(facts.gates, Mapping) else {}
    return sorted(set(said) - set(rulebook.gates))


def bounds_answer(codes: Iterable[str], on: date, rulebook: Rulebook) -> BoundsAnswer:
    """Return what the rules of some places come to together on a day.

    Raises NoAnswerError where a place is unknown, not yet in force, or none was named.
    """
    law = rulebook.law(codes, on)
    for gap in law.gaps:
        if gap.code and gap.why != OVERDUE:
            raise NoAnswerError(f"No rule of '{gap.code}' can be applied: {gap.why}.")
    if law.bounds is None:
        raise NoAnswerError("No jurisdiction was named.")
    return BoundsAnswer(describe_bounds(law, law.bounds, rulebook), law, law.gaps)


def due_answer(
    right: str,
    codes: Iterable[str],
    received: date,
    rulebook: Rulebook,
    *,
    extended: bool = False,
    pauses: Collection[Pause] = (),
) -> dict[str, Any]:
    """Return by when a request must be answered; `due` is null where no law read here says.

    Raises UnknownJurisdictionError where no rules are known for a place, and NoAnswerError where
    an extension or a pause is asked for that this right does not know.
    """
    asked = Right(right)
    if extended and asked not in EXTENDABLE:
        raise NoAnswerError(_means_nothing("extension", asked, EXTENDABLE))
    codes = tuple(codes)
    if pauses and asked not in (known := pausable(codes, received, rulebook)):
        raise NoAnswerError(_means_nothing("pause", asked, known))
    end = due(asked, codes, received, rulebook, extended=extended, pauses=pauses)
    return {"due": plain(end)}


def _means_nothing(what: str, right: Right, known_to: Collection[Right]) -> str:
    """Say that a right knows no such thing, and which ones do."""
    others = f", only for: {', '.join(sorted(known_to))}" if known_to else " in these places"
    return f"There is no {what} for '{right}'{others}."
