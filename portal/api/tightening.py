"""What a machine may do in its person's name: pause and forget, never the reverse.

Resuming is for the browser, where the person is signed in: a token on a machine opens nothing.
"""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent import services
from portal.api.authentication import agent_of


class PauseIn(serializers.Serializer[dict[str, Any]]):
    """How the machine calls this pause. A body that cannot be read pauses as an empty one does."""

    pause = serializers.UUIDField(
        required=False,
        help_text="Chosen by the machine; told again, it changes nothing, also after a resume.",
    )


class PauseOut(serializers.Serializer[dict[str, Any]]):
    """From which policies on the pause counts."""

    after_version = serializers.IntegerField(
        help_text="A policy of a higher version that is not paused: the person has resumed since."
    )


class PausesView(APIView):
    """The person pauses capture on one of their machines."""

    @extend_schema(request=PauseIn, responses={200: PauseOut})
    def post(self, request: Request) -> Response:
        """Pause all machines of the person; the same `pause` told again changes nothing."""
        after = services.pause_from_machine(agent=agent_of(request), ref=_name_of(request))
        return Response(PauseOut({"after_version": after}).data)


def _name_of(request: Request) -> UUID | None:
    """Return how the machine calls its pause; None where it does not say, or nobody can read it.

    Nothing that is wrong with a body may stand in the way of a pause.
    """
    try:
        said = PauseIn(data=request.data)
        named = said.is_valid()
    except APIException:
        return None
    return said.validated_data.get("pause") if named else None


class StrikeIn(serializers.Serializer[dict[str, Any]]):
    """What the person had forgotten on the machine, by the portal's clock."""

    strike = serializers.UUIDField(help_text="Chosen by the machine; a repeat changes nothing.")
    until = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which Python keeps to itself."""
        return {**super().get_fields(), "from": serializers.DateTimeField()}


class StrikesView(APIView):
    """The person has the last minutes forgotten on one of their machines."""

    @extend_schema(request=StrikeIn, responses={204: None})
    def post(self, request: Request) -> Response:
        """Refuse and erase what was captured in the interval, from any machine of the person."""
        said = StrikeIn(data=request.data)
        said.is_valid(raise_exception=True)
        agent = agent_of(request)
        services.strike_capture(
            subject=agent.subject,
            agent=agent,
            ref=said.validated_data["strike"],
            struck_from=said.validated_data["from"],
            struck_until=said.validated_data["until"],
        )
        return Response(status=204)
