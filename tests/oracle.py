"""Looks at a store's raw bytes by itself: standard library only, none of the product's code.

As a program: `oracle.py FOLDER NEEDLE_HEX...` prints, as JSON, how often each needle occurs in
any file's bytes, whatever the file is called, and how many files there are.
"""

import json
import os
import sys
from pathlib import Path


def look(folder: Path, needles: list[bytes]) -> dict[str, object]:
    """Return {"files": count, "found": {needle as hex: occurrences}}."""
    found = {needle.hex(): 0 for needle in needles}
    files = 0
    for where, _, names in os.walk(folder):
        for name in names:
            files += 1
            content = Path(where, name).read_bytes()
            for needle in needles:
                found[needle.hex()] += content.count(needle)
    return {"files": files, "found": found}


if __name__ == "__main__":
    print(json.dumps(look(Path(sys.argv[1]), [bytes.fromhex(n) for n in sys.argv[2:]])))
