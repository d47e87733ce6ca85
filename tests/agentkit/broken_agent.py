"""The reference agent with one thing broken on purpose, or several: named by its arguments."""

import sys

from breaking import all_breaks
from sayso_agent.conformance import own

if __name__ == "__main__":
    breaks = all_breaks()
    for name in sys.argv[1:]:
        breaks[name].apply()
    sys.exit(own.main())
