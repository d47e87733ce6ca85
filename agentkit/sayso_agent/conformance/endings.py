"""What the kit plays about what was captured and must go, and about where it lies until then."""

import base64
import time
from pathlib import Path
from typing import Any, Final

from sayso_agent.conformance.portal import problem
from sayso_agent.conformance.sample import allow
from sayso_agent.conformance.stage import ALLOWED, BATCHES, HELD, POLICY, Play, Stage, Told

ACK: Final = "/api/v1/policy/ack"
WORDS: Final = "words of nobody"
OF_A_DATABASE: Final = ("-wal", "-shm", "-journal")


def _purged(**policy: Any) -> Play:
    """Return the play of a change after which what waits must be gone."""

    def play(stage: Stage) -> None:
        stage.begin(allow=ALLOWED, embargo_seconds=HELD)
        before = {name: stage.portal.policy[name] for name in policy}
        stage.event("what waited when it was ended", allowed=False)
        time.sleep(0.5)
        stage.decree(**policy)
        stage.event("what happened after it was ended", allowed=False)
        time.sleep(0.3)
        stage.decree(**before, embargo_seconds=0)
        stage.event("a click under the next policy", allowed=True)

    return play


def _standing(status: int, *, purges: bool) -> Play:
    """Return the play of a portal that no longer knows, or no longer serves, the agent."""

    def play(stage: Stage) -> None:
        stage.begin(allow=ALLOWED, embargo_seconds=HELD)
        held = False if purges else None
        stage.event("what was waiting to be handed in", allowed=held)
        time.sleep(0.5)
        stage.portal.always[POLICY] = problem(status, "gone")
        stage.asked()
        stage.event("what happened after that answer", allowed=False)
        time.sleep(0.3)
        del stage.portal.always[POLICY]
        stage.portal.version += 1
        stage.portal.policy = {**stage.portal.policy, "embargo_seconds": 0}
        if not stage.program.running():  # it may end itself; what it kept would leave now
            stage.restart()
        stage.asked()

    return play


def _too_old(stage: Stage) -> None:
    """Refuse in ways that no table of answers has to name: what is no lease ends capture."""
    stage.begin(allow=ALLOWED)
    for status in (406, 426):
        stage.portal.always[POLICY] = problem(status, "form_not_spoken")
        stage.asked()
        stage.event(f"what happened after a {status}", allowed=False)
        time.sleep(0.3)
        del stage.portal.always[POLICY]
        if not stage.program.running():  # it may end itself
            stage.restart()
        stage.decree(embargo_seconds=0)
        stage.event(f"a click under the policy after a {status}", allowed=True)


def _embargo(stage: Stage) -> None:
    stage.begin(allow=ALLOWED, embargo_seconds=HELD)
    stage.event("what is under embargo", allowed=False)
    time.sleep(1.0)


def _paused(stage: Stage) -> None:
    stage.begin(allow=ALLOWED, paused=True)
    stage.event("a click while the person pauses", allowed=False)
    time.sleep(0.3)
    stage.decree(paused=False)
    stage.event("a click after the person resumed", allowed=True)


def _paused_since(stage: Stage) -> None:
    """Have the policy say of what waits that some of it was captured after the person paused."""
    stage.begin(allow=ALLOWED, embargo_seconds=HELD)
    stage.event("what happened before the person paused", allowed=None)
    # An agent's time may lag by the whole second in which its lease was issued.
    second = int(stage.portal.now()) + 1
    _sleep_until(stage, second + 1.1)
    stage.event("what happened after the person had paused", allowed=False)
    time.sleep(0.5)
    stage.decree(paused=True, paused_since=second)
    del stage.portal.policy["paused_since"]
    stage.decree(paused=False, embargo_seconds=0)
    stage.event("a click after the person resumed", allowed=True)


def _struck(stage: Stage) -> None:
    """Strike the middle one of three events that would make one batch.

    They wait in one: an earlier batch was told to come later, and no poll brings a new lease.
    """
    portal = stage.portal
    portal.etags = True
    portal.always[BATCHES] = problem(429, "too_many_requests", retry_after=8)
    stage.begin(allow=ALLOWED)
    stage.event("what is told to come later", allowed=None)
    stage.until(lambda: bool(stage.announced()))
    stage.event("what was before the strike", allowed=None)
    time.sleep(0.5)
    # An agent's time begins with the whole second in which its lease was issued, so it may lag
    # by one: the strike begins a second before its event, and what follows waits one more.
    second = int(portal.now()) + 2
    _sleep_until(stage, second + 0.1)
    stage.event("what was struck", allowed=False)
    _sleep_until(stage, second + 2.1)
    stage.event("what was behind the strike", allowed=None)
    time.sleep(0.3)
    stage.decree(strikes=[{"from": second - 1, "until": second + 1}])
    stage.event("a click after the strike", allowed=True)
    del portal.always[BATCHES]
    stage.program.end()
    stage.fault(f"refused by the portal: {sorted(portal.refused)}", given=portal.refused)


def _sleep_until(stage: Stage, moment: float) -> None:
    time.sleep(max(moment - stage.portal.now(), 0.0))


def _outdated(stage: Stage) -> None:
    """Hold an event back for longer than the policy lets one wait."""
    limits = stage.portal.policy["limits"]
    stage.begin(allow=ALLOWED, embargo_seconds=2, limits={**limits, "spool_seconds": 1})
    stage.event("what had waited for too long", allowed=False)
    time.sleep(3.5)
    stage.decree(embargo_seconds=0, limits=limits)
    stage.event("a click under the next policy", allowed=True)


def _at_rest(stage: Stage) -> None:
    """Hold texts back, and look into every file that the agent has."""
    temporary = stage.folder / "temporary"
    temporary.mkdir()
    stage.program.environment["TMPDIR"] = str(temporary)
    stage.begin(allow=[allow("tracker", "mouse_click", "clipboard", "key_content")],
                embargo_seconds=HELD)  # fmt: skip
    stage.event("a text under embargo", allowed=False, signal="clipboard", action="copy",
                text=WORDS)  # fmt: skip
    stage.event("what was typed under embargo", allowed=False, signal="key_content", secure=False,
                typing="whole", text=WORDS)  # fmt: skip
    time.sleep(1.0)
    _look_for_clear_text(stage)
    stage.program.end()
    _look_for_clear_text(stage)


def _look_for_clear_text(stage: Stage) -> None:
    texts = [f"zq{number} {WORDS}".encode() for number in stage.must_not]
    forms = [form for text in texts for form in forms_of(text)]
    for path, data in _files(stage.folder).items():
        stage.fault(f"in clear: what waits, in {path.name}", given=any(f in data for f in forms))


def forms_of(text: bytes) -> list[bytes]:
    """Return what a text looks like as it is, in UTF-16, in hex, and anywhere in base64.

    Each is too long for anything else to look like it, such as the digits of a time in base64.
    """
    inner = [base64.b64encode(b"\0" * shift + text)[4:-4] for shift in range(3)]
    return [text, text.decode().encode("utf-16-le"), text.hex().encode(), *inner]


def _files(folder: Path) -> dict[Path, bytes]:
    """Return everything that lies in a folder now; files come and go while we look."""
    found = {}
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                found[path] = path.read_bytes()
        except FileNotFoundError:
            continue
    return found


def _acknowledged(stage: Stage) -> None:
    """Put back what an agent had purged, as a backup would, before it could tell of it."""
    portal = stage.portal
    portal.etags = True
    stage.begin(allow=ALLOWED, embargo_seconds=HELD)
    begun = set(_files(stage.folder))
    for _ in range(20):
        stage.event("what waited when consent was withdrawn", allowed=False)
    time.sleep(0.6)
    held = {path: data for path, data in _files(stage.folder).items()
            if path not in begun and not path.name.endswith(OF_A_DATABASE)}  # fmt: skip
    portal.always[ACK] = problem(503, "too_busy")
    portal.withdraw()
    stage.asked()
    put_back = {path: data for path, data in held.items() if not path.exists()}
    for path, data in put_back.items():
        _restore(stage, path, data)
    del portal.always[ACK]
    stage.obeyed()
    _judge_purged(stage, put_back)
    portal.withdraw()
    stage.until(lambda: _purged_said(portal.version, portal.acknowledgements))
    _judge_purged(stage, put_back)
    heard = portal.acknowledgements
    told = {said.get("version") for said in heard}
    stage.fault("missing: an acknowledgement of each version", given=not {*portal.issued} <= told)
    stage.fault("wrong: a version acknowledged that was never issued",
                given=not told <= {*portal.issued})  # fmt: skip
    stage.fault("missing: `purged`, once nothing waits any more",
                given=not _purged_said(portal.version, heard))  # fmt: skip


def _restore(stage: Stage, path: Path, data: bytes) -> None:
    """Put a file back, whole and for nobody else's eyes."""
    made = stage.folder.parent / path.name
    made.write_bytes(data)
    made.chmod(0o600)
    made.rename(path)


def _purged_said(version: int, heard: list[dict[str, Any]]) -> bool:
    return any(said.get("version") == version and said.get("purged") is True for said in heard)


def _judge_purged(stage: Stage, put_back: dict[Path, bytes]) -> None:
    """Note where the agent says that nothing waits, and what waited lies there all the same."""
    lies = [path for path, data in put_back.items() if path.exists() and path.read_bytes() == data]
    said = _purged_said(stage.portal.version, stage.portal.acknowledgements)
    stage.fault("wrong: `purged` is said while what waited lies there", given=lies and said)


ENDINGS: Final[tuple[Told, ...]] = (
    ("withdrawn", "is what waits purged when consent is withdrawn?",
     _purged(allow=[], deny=[{"reasons": ["consent_withdrawn"]}])),
    ("deny_beats_allow", "does a denial beat an allowance?",
     _purged(deny=[{"purpose": "train-agents", "apps": ["tracker"], "signals": ["mouse_click"],
                    "reasons": ["signal_prohibited"]}])),
    ("never_beats_allow", "does `never` beat an allowance?",
     _purged(never={"categories": ["tracker"], "signals": [], "matchers": []})),
    ("acknowledged", "is each version acknowledged, `purged` only where nothing is left?",
     _acknowledged),
    ("struck", "is what the person had forgotten purged, and no batch over it?", _struck),
    ("embargo", "does nothing leave before the embargo is over?", _embargo),
    ("outdated", "is dropped what waited longer than the policy lets it?", _outdated),
    ("at_rest", "does nothing that waits lie in clear in the state folder?", _at_rest),
    ("paused", "does a pause deny, and resuming allow again?", _paused),
    ("paused_since", "does what was captured after the person paused go, and resuming allow again?",
     _paused_since),
    ("status_401", "does capture stop when the token is unknown?", _standing(401, purges=False)),
    ("status_403", "does capture stop, and what waits go, when blocked?",
     _standing(403, purges=True)),
    ("status_410", "does capture stop, and what waits go, when erased?",
     _standing(410, purges=True)),
    ("status_426", "does capture stop at a 406 and a 426, until there is a policy again?",
     _too_old),
)  # fmt: skip
