"""An installation of its own for each headcount: PostgreSQL, web, workers, as `up` starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 400
MANY_POLLS = "1000000"
"""What an agent may ask at once: here the polls of half an hour follow each other in seconds."""


@dataclass
class Installation:
    """Its folder, and while it runs its port and its supervisor."""

    home: Path
    port: int = 0
    supervisor: subprocess.Popen[str] | None = None
    webs: int = 1
    """How many web processes share the port."""
    extra: dict[str, str] = field(default_factory=dict)
    """Settings of this installation alone."""

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        if self.supervisor is None:
            raise RuntimeError("the installation does not run")
        return self.supervisor.pid

    @property
    def environment(self) -> dict[str, str]:
        """What its programs are told; nothing of the installation that may run beside it."""
        ours = ("SAYSO_", "DATABASE_URL", "REDIS_URL", "DJANGO_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        address = f"http://127.0.0.1:{self.port}"
        return {
            **kept,
            "SAYSO_HOME": str(self.home),
            "SAYSO_PUBLIC_URL": address,
            "SAYSO_NO_BOOTSTRAP": "1",
            "SAYSO_POLICY_BURST": MANY_POLLS,
            **self.extra,
        }

    def __enter__(self) -> "Installation":
        """Run `manage.py up` and wait for the first page; raises with its words if none comes."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)
        self.port = _free_port()
        with (self.home / "up.log").open("a") as log:
            shape = ["--port", str(self.port), "--web-processes", str(self.webs), "--no-demo"]
            self.supervisor = subprocess.Popen(
                [sys.executable, "manage.py", "up", *shape],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, as Ctrl-C does."""
        if self.supervisor:
            self.supervisor.send_signal(signal.SIGINT)
            self.supervisor.wait(120)
            self.supervisor = None

    def run(self, part: str, **arguments: Any) -> dict[str, Any]:
        """Run one part of the measurement inside; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "bench.inside", part, json.dumps(arguments)],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def _wait(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.supervisor and self.supervisor.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError((self.home / "up.log").read_text()[-4000:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
