"""`python -m sayso_agent`."""

import sys

from sayso_agent.cli import main

sys.exit(main())
