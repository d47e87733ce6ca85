"""The reference agent with one thing broken on purpose, or several: named by its arguments."""

import sys

from breaks import BREAKS
from sayso_agent.conformance import own

if __name__ == "__main__":
    for name in sys.argv[1:]:
        BREAKS[name].apply()
    sys.exit(own.main())
