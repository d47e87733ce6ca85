"""Turns at the database for what agents send in crowds: a crowd waits, and nobody else does.

Each request has a thread of its own and needs one of the pool's few connections. Where hundreds
come at once, most would wait for one until that is given up, people who want to stop among them,
and be told that the database is away.
"""

import threading
from typing import Any, Final

from django.db import close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from portal.api.authentication import as_problem
from portal.api.errors import problem_response
from portal.endpoint import answer

AT_ONCE: Final = 4
"""A third of the pool; one process answers no more of them in a second with more."""
PATIENCE: Final = 15.0
"""Seconds that one waits for its turn: less than an agent waits for an answer."""
_turns: Final = threading.BoundedSemaphore(AT_ONCE)


class InTurn(APIView):
    """A view of which this process serves few at once; the others queue, without a connection."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the request in its turn; 503 with Retry-After where that does not come soon."""
        if not _turns.acquire(timeout=PATIENCE):
            refused = problem_response(as_problem(answer.BUSY))
            refused["Retry-After"] = str(answer.BUSY.retry_after)
            return refused
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            # Given back now, not when the answer is sent: whose turn is next finds a connection.
            close_old_connections()
            _turns.release()
