"""What `up` runs, and as which database role: one function for each program."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from portal.servers import locations, process
from portal.servers.home import AS_ROOT, ROOT
from portal.supervisor.child import Child
from portal.supervisor.console import Console

POOL_SIZE = "2"
# What packages bring along and no page of ours loads: compressing it takes most of the time.
UNUSED_ASSETS = ("rest_framework", "htmx-2*", "htmax-*", "htmx-4.js", "ext")
ROOT_WARNING = "ignore:You're running the worker with superuser privileges"


class Programs:
    """Makes the children of one `up`."""

    def __init__(self, console: Console, public_url: str) -> None:
        """Remember where output goes and what the portal's address is."""
        self._console = console
        self._public_url = public_url

    def web(self, socket: int, name: str = "web") -> Child:
        """Return a web server; it inherits the port, which stays open while it restarts."""
        command = ["-m", "portal.web", "--fd", str(socket)]
        return Child(name, self._launch(name, command, pass_fds=[socket]))

    def sequencer(self) -> Child:
        """Return the process that alone may read the key the ledger is signed with."""
        return Child("sequencer", self._launch("sequencer", _manage("sequencer"), "sequencer"))

    def worker(self) -> Child:
        """Return the Celery worker; when `up` is killed, SIGQUIT ends its pool with it."""
        command = ["-m", "celery", "--quiet", "-A", "portal", "worker", "--loglevel", "info"]
        command += ["--pool", "prefork", "--concurrency", POOL_SIZE]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        launch = self._launch("worker", command, orphan_signal=signal.SIGQUIT)
        return Child("worker", launch, patience=30)

    def beat(self) -> Child:
        """Return Celery's clock; it only wakes the workers, which know themselves what is due."""
        schedule = str(locations.HOME / "beat-schedule")
        command = ["-m", "celery", "--quiet", "-A", "portal", "beat", "--loglevel", "warning"]
        command += ["--schedule", schedule, "--pidfile="]
        return Child("beat", self._launch("beat", command), patience=5)

    def collect(self) -> Child:
        """Return the command that gathers, hashes and compresses what browsers load."""
        ignored = [word for pattern in UNUSED_ASSETS for word in ("--ignore", pattern)]
        return self.once("static", "collectstatic", "--noinput", "--verbosity", "0", *ignored)

    def once(self, name: str, *command: str, role: str = "app") -> Child:
        """Return a management command that is to end by itself."""
        return Child(name, self._launch(name, _manage(*command), role), keep=False)

    def _launch(
        self,
        name: str,
        arguments: Sequence[str],
        role: str = "app",
        *,
        orphan_signal: int = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
    ) -> Callable[[], subprocess.Popen[bytes]]:
        def launch() -> subprocess.Popen[bytes]:
            running = process.spawn(
                [sys.executable, *arguments],
                orphan_signal=orphan_signal,
                environment=self._environment(role),
                pass_fds=pass_fds,
                folder=ROOT,
            )
            if running.stdout:
                self._console.follow(name, running.stdout)
            return running

        return launch

    def _environment(self, role: str) -> dict[str, str]:
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "SAYSO_HOME": str(locations.HOME),
            "SAYSO_DATABASE_ROLE": role,
            "SAYSO_PUBLIC_URL": self._public_url,
            "SAYSO_NO_BOOTSTRAP": "1",  # we run in the right environment already
            "SAYSO_SUPERVISOR": str(os.getpid()),  # whose end ends the worker (portal.ending)
        }
        if role != "sequencer":
            environment.pop(locations.database_variable("sequencer"), None)
        if AS_ROOT:
            environment["PYTHONWARNINGS"] = ROOT_WARNING  # said once, by `up` itself
        return environment


def _manage(*command: str) -> list[str]:
    return [str(Path(ROOT) / "manage.py"), *command]
