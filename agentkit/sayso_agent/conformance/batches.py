"""What the kit plays about handing in: where bytes go, how many, how often, and when not."""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from sayso_agent.conformance.bucket import FakeBucket
from sayso_agent.conformance.leases import HOUR, SHORT
from sayso_agent.conformance.portal import problem
from sayso_agent.conformance.stage import ALLOWED, BATCHES, POLICY, Stage, Told
from sayso_agent.conformance.wire import Answer, Seen

SMALL: Final = {
    "batch_bytes": 400,
    "batch_seconds": 1,
    "bytes_per_second": 40,
    "spool_seconds": 3600,
}
AVERAGED_OVER: Final = 10.0


def _brought(stage: Stage) -> None:
    """Have the bytes brought to another host, which the policy names."""
    with FakeBucket() as bucket:
        stage.portal.bucket = bucket
        stage.begin(allow=ALLOWED)
        stage.event("a click whose bytes go to another host", allowed=None)
        stage.program.end()
    if not stage.portal.admitted:
        stage.faults.append("missing: a batch, at the host that the policy names")
    if any("authorization" in seen.headers for seen in bucket.requests):
        stage.faults.append("arrived: the agent's token, at another host")


def _elsewhere(stage: Stage) -> None:
    """Have the bytes brought to another host, which the policy does not name."""
    with FakeBucket() as bucket:
        stage.portal.bucket = bucket
        stage.begin(allow=ALLOWED, uploads=[])
        stage.event("a click whose bytes go to another host", allowed=None)
        stage.program.end()
    if bucket.requests:
        stage.faults.append("arrived: bytes, at a host that the policy does not name")


def _limits(stage: Stage) -> None:
    """Feed more than may leave at once, and judge each batch and all of them together."""
    stage.begin(allow=ALLOWED, limits=SMALL)
    for _ in range(60):
        stage.event("one of many clicks", allowed=None)
    time.sleep(1.3)
    stage.event("a click more than a second later", allowed=None)
    stage.program.end()
    sent, refused = stage.handed_in(), stage.portal.refused
    stage.fault("missing: any batch at all", given=not sent)
    stage.fault("wrong: a batch of more bytes than the policy lets one have",
                given="too_large" in refused)  # fmt: skip
    stage.fault("wrong: a batch of a longer time than the policy lets one have",
                given="too_long" in refused)  # fmt: skip
    passed = sent[-1].at - sent[0].at if sent else 0.0
    most = SMALL["bytes_per_second"] * (AVERAGED_OVER + passed) + SMALL["batch_bytes"]
    stage.fault("wrong: more bytes than the policy's bandwidth, over ten seconds",
                given=sum(len(seen.body) for seen in sent) > most)  # fmt: skip


def _once(stage: Stage) -> None:
    """Refuse a batch; then take one, and have the answers to its manifest and bytes get lost."""
    portal = stage.portal
    refusals = portal.misbehave[BATCHES] = [problem(422, "batch_refused", reasons=["struck"])]
    stage.begin(allow=ALLOWED)
    stage.event("what the portal had refused", allowed=False)
    stage.fault("missing: a batch", given=not stage.until(lambda: not refusals))
    time.sleep(0.8)
    left = ["POST", "PUT"]
    portal.twist = _losing(left)
    stage.event("a click whose answers get lost", allowed=True)
    stage.until(lambda: not left)
    stage.program.end()
    announced = defaultdict(set)
    for seen in stage.announced():
        said = json.loads(seen.body)
        announced[said["sha256"]].add(said["batch"])
    stage.fault("twice: the same events under another batch's name",
                given=any(len(names) > 1 for names in announced.values()))  # fmt: skip


def _losing(left: list[str]) -> Callable[[Seen, Answer], Answer]:
    """Lose one answer about a batch to each of these methods, after the work is done."""

    def twist(seen: Seen, answer: Answer) -> Answer:
        if seen.path.startswith(BATCHES) and seen.method in left:
            left.remove(seen.method)
            return problem(503, "too_busy")
        return answer

    return twist


def _announced(stage: Stage) -> None:
    """Answer a manifest when the lease has ended meanwhile, and no poll brought another.

    The machine's clock is an hour behind: by that one alone the lease would go on.
    """
    portal = stage.portal
    portal.lease, portal.now = SHORT, (lambda: time.time() + HOUR)
    stage.begin(allow=ALLOWED)
    answered: list[float] = []

    def twist(seen: Seen, answer: Answer) -> Answer:
        if seen.method == "POST" and seen.path == BATCHES:
            portal.always[POLICY] = problem(503, "too_busy")
            time.sleep(0.2)  # a poll that is being answered may bring one more lease
            ends = max(policy["lease_until"] for policy in portal.issued.values())
            time.sleep(max(ends + 1.3 - portal.now(), 0.0))
            answered.append(time.monotonic())
        return answer

    portal.twist = twist
    stage.event("a click whose lease ended before its bytes left", allowed=False)
    stage.fault("missing: a batch", given=not stage.until(lambda: bool(answered)))
    time.sleep(1.0)
    late = [seen for seen in stage.announced() if answered and seen.at > answered[0]]
    stage.fault("arrived: a manifest, while no lease ran", given=late)


BATCH: Final[tuple[Told, ...]] = (
    ("brought", "are bytes brought to the host that the policy names?", _brought),
    ("elsewhere", "are no bytes brought to a host that it does not name?", _elsewhere),
    ("limits", "do batches keep to the policy's bytes, seconds and bandwidth?", _limits),
    ("once", "is a batch handed in once, and a refused one not again?", _once),
    ("announced", "do bytes stay when the lease ends after their manifest?", _announced),
)
