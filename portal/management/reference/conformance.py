"""The page of the conformance kit's scenarios."""

from portal.management.reference.markdown import NOTE, mono, page, table

OPENING = """\
`sayso-agent conformance COMMAND` plays {count} scenarios to a capture agent of any make, each on a
portal of its own, and judges from outside by what arrives. `--only NAME` plays one. How an agent is
started and told is in `agentkit/README.md`.
"""


def conformance() -> str:
    """Return every scenario with the question that it answers."""
    from sayso_agent.conformance.scenarios import GROUPS, SCENARIOS

    parts = ["# Scenarios of conformance", NOTE, OPENING.format(count=len(SCENARIOS))]
    for about, group in GROUPS:
        rows = ((mono(name), asks[:1].upper() + asks[1:]) for name, asks, _play in group)
        parts += [f"## {about[:1].upper()}{about[1:]}\n", table(("scenario", "asks"), rows)]
    return page(parts)
