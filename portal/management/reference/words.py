"""The pages of closed lists: what the ledger can say, signals, states and reasons."""

from dataclasses import fields

from audit import events
from consent.policy.reasons import TITLES as REASONS
from consent.policy.types import (
    CONTENT_SIGNALS,
    NEVER_CATEGORIES,
    SIGNAL_GROUPS,
    AppCategory,
    ConsentState,
    NeverSignal,
)
from portal.management.reference.markdown import NOTE, codes, mono, page, table
from portal.templatetags.words import GROUPS, SIGNALS


def ledger() -> str:
    """Every event, with what of it stands in the leaf and what lies sealed beside it."""
    rows = []
    for kind in events.CATALOGUE.values():
        sealed = [f.name for f in fields(kind) if f.metadata.get("sealed")]  # type: ignore[arg-type]
        plain = [f.name for f in fields(kind) if not f.metadata.get("sealed")]  # type: ignore[arg-type]
        words = " ".join((kind.__doc__ or "").split())
        own = "yes" if kind.own else ""
        rows.append((mono(kind.type), kind.title, words, codes(plain), codes(sealed), own))
    return page(
        [
            "# What the ledger can say",
            NOTE,
            (
                "*In the leaf* stands for ever: codes, counts, days and digests that point at"
                " nobody. *Sealed* lies encrypted beside the leaf and goes when the person is"
                " erased. Who acted and whom an entry is about are no fields: the leaf holds salted"
                " commitments to them. *Own* is what somebody decided themselves or what followed"
                " from it: to everybody else such an entry is a number, an hour and a proof. See"
                " [the ledger](../explanation/the-ledger.md).\n"
            ),
            table(("type", "title", "meaning", "in the leaf", "sealed", "own"), rows),
        ]
    )


def signals() -> str:
    """The closed lists of the policy core."""
    rows = [
        (
            mono(signal.value),
            str(SIGNALS[signal.value]),
            str(GROUPS[group.value][0]),
            "yes" if signal in CONTENT_SIGNALS else "",
        )
        for group, members in SIGNAL_GROUPS.items()
        for signal in members
    ]
    states = [(mono(s.value), "yes" if s is ConsentState.GIVEN else "no") for s in ConsentState]
    apps = [
        (mono(c.value), "never" if c in NEVER_CATEGORIES else "if all else allows it")
        for c in AppCategory
    ]
    return page(
        [
            "# Signals, states and reasons",
            NOTE,
            "## Signals\n",
            (
                "A closed list. People choose by group, for each app. *Content* can show what"
                " somebody else wrote, so that person's law counts as well.\n"
            ),
            table(("signal", "what it is", "group on the page", "content"), rows),
            "## Never, whatever anyone sets\n",
            ", ".join(mono(s.value) for s in NeverSignal) + ".\n",
            "## States of consent\n",
            (
                "The words of the W3C Data Privacy Vocabulary. *Withdrawn* was ended by the person,"
                " *revoked* by anyone else.\n"
            ),
            table(("state", "permits"), states),
            "## Kinds of app\n",
            table(("category", "captured"), apps),
            "## Reasons\n",
            "An answer lists them in this order. Anything unknown is a reason, and denies.\n",
            table(("reason", "in plain words"), ((mono(k), v) for k, v in REASONS.items())),
        ]
    )
