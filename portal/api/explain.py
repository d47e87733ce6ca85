"""POST /api/v1/explain: why a decision is what it is, with every reason, rule and source.

An agent asks about its own person. A privacy officer or an auditor, signed in, asks about somebody
by their reference; that look is recorded before the answer goes out, and leaves out what is the
person's own matter unless they share it.
"""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from consent.exceptions import NotKnownHere
from consent.models import Subject
from consent.policy.schema import ALL_SIGNALS
from consent.selectors.explain import Explanation, as_json, explain
from portal.api.authentication import AgentAuthentication, AgentCaller
from portal.api.bounds import Moment
from portal.api.errors import Problem, unknown_token
from portal.api.login import signed_in
from portal.explaining import explain_to_others
from portal.people import AREAS, actor_of, roles_of

CHANNEL = "api"


class AgentOrStaff(BaseAuthentication):
    """An agent by its token, or else whoever is signed in; nobody is anonymous."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """Return the caller; nobody is anonymous."""
        if get_authorization_header(request):
            return AgentAuthentication().authenticate(request)
        if (caller := signed_in(request)) is None:
            raise unknown_token("A bearer token of an enrolled agent, or a login, is needed.")
        return caller

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401 as RFC 9110 asks."""
        return "Bearer"


class ExplainIn(serializers.Serializer[dict[str, Any]]):
    """What to explain; `subject` is for staff, and left out by agents."""

    subject = serializers.UUIDField(required=False)
    purpose = serializers.SlugField(max_length=60, required=False)
    app = serializers.SlugField(max_length=60)
    signal = serializers.ChoiceField(choices=list(ALL_SIGNALS))
    at = Moment(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a member that is not known, such as a misspelt `at`."""
        if unknown := sorted(set(self.initial_data) - set(self.fields)):
            raise serializers.ValidationError(dict.fromkeys(unknown, "not known here"))
        return attrs


class CitationOut(serializers.Serializer[dict[str, Any]]):
    """One source; `v` says how much of it was read: S seen, P partly, M from memory."""

    jurisdiction = serializers.CharField()
    ref = serializers.CharField()
    v = serializers.ChoiceField(choices=["S", "P", "M"])


class RuleOut(serializers.Serializer[dict[str, Any]]):
    """What the file of one place says under the key a reason comes from."""

    jurisdiction = serializers.CharField()
    key = serializers.CharField()
    value = serializers.JSONField()


class HandOut(serializers.Serializer[dict[str, Any]]):
    """Somebody who asked for a paper, or agreed to it: by role and reference."""

    did = serializers.ChoiceField(choices=["recorded", "asked", "approved"])
    role = serializers.ChoiceField(choices=["privacy_officer", "works_council", "staff"])
    ref = serializers.UUIDField()
    unit = serializers.CharField(required=False)


class GroundOut(serializers.Serializer[dict[str, Any]]):
    """A paper or a record behind an answer; what does not apply is left out."""

    kind = serializers.CharField()
    code = serializers.CharField(required=False)
    title = serializers.CharField(required=False)
    jurisdiction = serializers.CharField(required=False)
    version = serializers.IntegerField(required=False)
    since = serializers.CharField(required=False)
    until = serializers.CharField(required=False)
    counts = serializers.CharField(required=False)
    sha256 = serializers.CharField(required=False)
    note = serializers.CharField(required=False)
    hands = HandOut(many=True, required=False)


class ReasonOut(serializers.Serializer[dict[str, Any]]):
    """One reason against, with its rule, its sources and the papers about it."""

    code = serializers.CharField()
    title = serializers.CharField()
    rule = serializers.CharField(allow_null=True)
    jurisdictions = serializers.ListField(child=serializers.CharField())
    rules = RuleOut(many=True)
    citations = CitationOut(many=True)
    params = serializers.JSONField()
    grounds = GroundOut(many=True)


class AnswerOut(serializers.Serializer[dict[str, Any]]):
    """The decision for one purpose."""

    purpose = serializers.CharField(allow_blank=True)
    title = serializers.CharField(allow_blank=True)
    decision = serializers.ChoiceField(choices=["allow", "deny", "theirs"])
    reasons = serializers.ListField(child=serializers.CharField())
    explanations = ReasonOut(many=True)
    stands = GroundOut(many=True)
    retention_days = serializers.IntegerField(allow_null=True)


class PolicyOut(serializers.Serializer[dict[str, Any]]):
    """The policy that a machine held at that instant."""

    agent = serializers.UUIDField()
    version = serializers.IntegerField()
    issued_at = serializers.DateTimeField()
    lease_until = serializers.DateTimeField()
    sha256 = serializers.CharField()
    allowed = serializers.BooleanField()


class ExplainOut(serializers.Serializer[dict[str, Any]]):
    """The decision at one instant, for every purpose or for the one asked about.

    `part` is `whole` for the person's own agent, and where they share the answer with whoever asks;
    else `shared`: then nothing in it is the person's own matter, and what the shared half permits
    is `theirs` to decide. `days` are the days that it was at that instant in the places that count:
    what is dated begins and ends with them, and what one of them denies is denied. Where `legible`
    is false, what held then is written as an older version wrote it, and the decision is not told;
    what a machine held, `policies`, still is.
    """

    app = serializers.CharField()
    signal = serializers.CharField()
    at = serializers.DateTimeField()
    decision = serializers.ChoiceField(choices=["allow", "deny", "theirs"])
    part = serializers.ChoiceField(choices=["whole", "shared"])
    answers = AnswerOut(many=True)
    jurisdictions = serializers.ListField(child=serializers.CharField())
    days = serializers.ListField(child=serializers.DateField())
    policies = PolicyOut(many=True)
    pack_version = serializers.CharField()
    pack_digest = serializers.CharField()
    reconstructed = serializers.BooleanField()
    legible = serializers.BooleanField()
    personal = serializers.CharField(allow_blank=True)
    disclaimer = serializers.CharField()


class ExplainView(APIView):
    """Why one decision is what it is."""

    authentication_classes = [AgentOrStaff]

    @extend_schema(request=ExplainIn, responses={200: ExplainOut})
    def post(self, request: Request) -> Response:
        """Return the decision and everything behind it."""
        wanted = ExplainIn(data=request.data)
        wanted.is_valid(raise_exception=True)
        said = dict(wanted.validated_data)
        question = {
            "app": said["app"],
            "signal": ALL_SIGNALS[said["signal"]],
            "purpose": said.get("purpose"),
            "at": said.get("at") or timezone.now(),
        }
        try:
            found = _explain(request, said, question)
        except NotKnownHere as refusal:
            raise Problem(
                status_code=404,
                code=refusal.code,
                detail=refusal.detail,
                next_step=refusal.next_step,
            ) from refusal
        return Response(as_json(found), headers={"Cache-Control": "no-store"})


def _explain(request: Request, said: dict[str, Any], question: dict[str, Any]) -> Explanation:
    if isinstance(request.user, AgentCaller):
        if "subject" in said:
            raise Problem(
                status_code=400,
                code="subject_not_yours",
                detail="An agent asks about its own person only.",
                next_step="Leave `subject` out.",
            )
        agent = request.user.agent
        return explain(agent.subject, agent=agent, **question)
    login = request._request  # noqa: SLF001  roles hang on Django's own request
    if not roles_of(login) & AREAS["privacy/explain"]:
        raise Problem(
            status_code=403,
            code="role_missing",
            detail="Only a privacy officer or an auditor asks about others.",
            next_step="About yourself you can ask on your own page.",
        )
    if "subject" not in said:
        raise serializers.ValidationError({"subject": ["This field is required."]})
    subject = Subject.objects.filter(ref=said["subject"]).first()
    if subject is None:
        raise NotKnownHere("Nobody has this reference.")
    return explain_to_others(subject=subject, actor=actor_of(login), channel=CHANNEL, **question)
