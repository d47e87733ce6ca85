"""The measurement of the stop: batches that come too late are counted by their answer."""

import time
from pathlib import Path

from agent_helpers import enrolled
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.segment import Slot
from sayso_agent.upload import rfc3339

from bench.late import Late, hand_in


def test_what_comes_late_is_counted_by_its_answer(tmp_path: Path) -> None:
    """A portal that would let it in is found out, and one that says why not is quoted."""
    committed = time.time()
    slot = Slot("train-agents", "tracker", 7, int(committed) - 60, int(committed) + 60, 10**6, 900)
    with FakePortal() as cut:
        enrolled(cut, tmp_path / "home").close()
    with FakePortal(takes_all=True) as portal:
        portal.token = cut.token
        machine = Late(tmp_path / "home", portal.url, slot, committed)
        assert hand_in([machine]) == {"before": {"admitted": 1}, "after": {"admitted": 1}}
        spans = [(m["from"], m["until"]) for m in portal.manifests.values()]
        commit = rfc3339(committed)
        assert [until < commit for _, until in spans] == [True, False]
        assert spans[1][0] > commit

        refused = problem(422, "refused", reasons=["consent_does_not_stand", "more"])
        portal.always["/api/v1/batches"] = refused
        answers = hand_in([machine])
    assert answers["before"] == answers["after"] == {"consent_does_not_stand": 1}
