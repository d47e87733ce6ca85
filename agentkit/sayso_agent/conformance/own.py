"""The reference agent under the kit's contract: told everything by its environment, events on
standard input; at their end it hands in what it may and ends.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sayso_agent.agent import Agent
from sayso_agent.errors import AgentError
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.matching import WindowFacts
from sayso_agent.portal import Endpoints
from sayso_agent.reader import Item
from sayso_agent.recorders.ndjson import read_ndjson
from sayso_agent.recorders.source import lines
from sayso_agent.run import Pace, Runner

LINGER: Final = 0.4
PACE: Final = Pace(upload=0.2)


def enrolled(folder: Path) -> Agent:
    """Return the agent of a state folder, taking its identity from the environment at first."""
    home = Home(folder)
    if not home.enrolled():
        told = os.environ
        endpoints = Endpoints(
            policy=told["SAYSO_POLICY_URL"],
            ack=told["SAYSO_ACK_URL"],
            batches=told["SAYSO_BATCHES_URL"],
            manifest=told["SAYSO_MANIFEST_URL"],
        )
        identity = Identity(
            portal=told["SAYSO_PORTAL"],
            issuer=told["SAYSO_ISSUER"],
            agent=told["SAYSO_AGENT"],
            token=told["SAYSO_TOKEN"],
            name="conformance",
            endpoints=endpoints,
            root=told["SAYSO_ROOT"],
            account=told["SAYSO_ACCOUNT"],
        )
        home.save_identity(identity, Ed25519PrivateKey.generate())
    return Agent(folder)


def _until_ended(ended: threading.Event) -> Iterator[Item]:
    try:
        yield from read_ndjson(lines("-"), WindowFacts())
    finally:
        ended.set()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> int:
    """Record until standard input ends; return the exit code that `sayso-agent run` would."""
    agent = enrolled(Path(os.environ["SAYSO_STATE"]))
    runner = Runner(agent, _say, PACE)
    ended = threading.Event()

    def stop_at_the_end() -> None:
        ended.wait()
        runner.stopping.wait(LINGER)
        runner.stop()

    threading.Thread(target=stop_at_the_end, daemon=True).start()
    try:
        runner.serve(live=_until_ended(ended))
        with suppress(AgentError):
            agent.upload()
    except AgentError as error:
        _say(f"sayso-agent: {error}")
        return int(error.exit_code)
    finally:
        agent.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
