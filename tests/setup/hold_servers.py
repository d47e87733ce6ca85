"""A program of the tests: starts the embedded servers in SAYSO_HOME and holds them until told."""

import json
import signal
import sys
import threading

from portal.servers import folders, locations, postgres, process, valkey
from portal.servers.errors import SetupError


def main() -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        folders.prepare()
        database = postgres.start()
        cache = valkey.start()
    except SetupError as error:
        sys.stderr.write(str(error))
        return 1
    assert database
    assert cache
    facts = {role: locations.database_url(role) for role in locations.ROLES}
    sys.stdout.write(json.dumps({**facts, "redis": locations.redis_url()}) + "\n")
    sys.stdout.flush()
    stop.wait()
    process.end(cache, valkey.STOP_SIGNAL, 10)
    process.end(database, postgres.STOP_SIGNAL, 20)
    return 0


sys.exit(main())
