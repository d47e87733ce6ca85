"""The page of the conformance kit: what it wants of an agent, and its scenarios."""

from portal.management.reference.markdown import NOTE, mono, page, table

OPENING = """\
`sayso-agent conformance COMMAND` plays {count} scenarios to a capture agent of any make, each on a
portal of its own, and judges from outside by what arrives: nothing that was not allowed may, and
what was allowed must. That takes about two minutes. `--only NAME` plays one and shows what was fed
and said, `--contract` prints what stands here up to the scenarios. The portal that the kit plays
speaks as [every portal](../howto/write-an-agent.md) does, as far as a scenario does not say
otherwise.

The kit is the Python package in the folder `agentkit/`: `pip install ./agentkit` in a checkout of
Sayso. In `agentkit/vectors/` is what needs no portal, as JSON: policies, key manifests, manifests
of batches, marks, windows and events, each with the answer that it should get. Begin with those.
"""


def conformance() -> str:
    """Return the contract, and every scenario with the question that it answers."""
    from sayso_agent.conformance.contract import contract
    from sayso_agent.conformance.scenarios import GROUPS, SCENARIOS

    parts = ["# Conformance of agents", NOTE, OPENING.format(count=len(SCENARIOS)), contract()]
    parts.append("## The scenarios\n")
    for about, group in GROUPS:
        rows = ((mono(name), asks[:1].upper() + asks[1:]) for name, asks, _play in group)
        parts += [f"### {about[:1].upper()}{about[1:]}\n", table(("scenario", "asks"), rows)]
    return page(parts)
