"""A small capture agent of another make, written in good faith and wrong in almost everything.

It reads the policy without looking at its signature, keeps to it for ever, and hands in each event
at once. Standard library only; started by the tests of the conformance kit.
"""

import base64
import hashlib
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from typing import Any

policy: dict[str, Any] = {}


def call(method: str, url: str, body: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {os.environ['SAYSO_TOKEN']}"}
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return bytes(answer.read())


def poll_for_ever() -> None:
    while True:
        try:
            document = call("GET", os.environ["SAYSO_POLICY_URL"]).split(b".")[1]
            policy.update(json.loads(base64.urlsafe_b64decode(document + b"==")))
            said = {"version": policy["version"], "applied_at": now(), "purged": True}
            call("POST", os.environ["SAYSO_ACK_URL"], json.dumps(said).encode())
        except (OSError, ValueError, IndexError):
            pass
        time.sleep(0.5)


def now(add: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + add, UTC).isoformat()


def hand_in(event: dict[str, Any]) -> None:
    host = event.get("window", {}).get("host", "")
    for allowed in policy.get("allow", []):
        app = policy["apps"][allowed["app"]]
        if event["signal"] in allowed["signals"] and host.endswith(app["matchers"][0]["value"]):
            data = json.dumps({"t": time.time(), **event}).encode() + b"\n"
            manifest = {
                "batch": str(uuid.uuid4()),
                "policy_version": policy["version"],
                "purpose": allowed["purpose"],
                "app": allowed["app"],
                "signals": {event["signal"]: 1},
                "from": now(-0.5),
                "until": now(0.5),
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "redactor": "naive/1",
            }
            answer = call("POST", os.environ["SAYSO_BATCHES_URL"], json.dumps(manifest).encode())
            call("PUT", json.loads(answer)["upload_url"], data)


threading.Thread(target=poll_for_ever, daemon=True).start()
for line in sys.stdin:
    try:
        hand_in(json.loads(line))
    except (OSError, ValueError, KeyError):
        sys.stderr.write("not handed in\n")
