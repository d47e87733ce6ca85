"""POST /api/v1/batches and the upload that follows: manifest first, then the bytes, streamed."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import retention
from consent.policy.types import SHOWS_OTHER_WINDOWS, Signal
from portal.api import pace
from portal.api.authentication import agent_for, agent_of, bearer_token
from portal.api.bounds import LARGEST, Stamp
from portal.api.errors import Problem, problem_handler, problem_response
from portal.api.policy import schema_response
from portal.endpoint.limits import Buckets
from retention import services
from retention.exceptions import BatchRefused, BytesDoNotMatch, RetentionError, UploadTooSlow
from retention.models import Admission
from retention.stores import Address

if TYPE_CHECKING:
    from datetime import datetime

CHUNK = 1 << 16
STATES: Final = "`awaiting_bytes`: send them. `admitted`: it is handed in."
MOST_VISIBLE = 200
"""Apps that one picture may show windows of; a screen holds fewer."""
STATUS_OF = {
    "batch_refused": 422,
    "batch_quarantined": 422,
    "bytes_do_not_match": 422,
    "manifest_differs": 409,
    "batch_unknown": 404,
    "upload_too_slow": 408,
    "store_failed": 503,
}
_announced, _reported = Buckets(pace.BURST), Buckets(pace.BURST)
TEXTS: Final = {"batch", "purpose", "app", "sha256", "redactor", "from", "until"}
NUMBERS: Final = {"policy_version", "bytes"}
UUID_FORM: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
FIELDS = {"from": "captured_from", "until": "captured_until"}


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}})
class SignalCounts(serializers.DictField):
    """Signal -> number of events; each signal from the closed list."""

    child = serializers.IntegerField(min_value=1, max_value=10_000_000)

    def to_internal_value(self, data: Any) -> dict[str, int]:
        """Return the counts; raises for a name that is no signal."""
        counts: dict[str, int] = super().to_internal_value(data)
        known = {signal.value for signal in Signal}
        if unknown := sorted(set(counts) - known):
            raise serializers.ValidationError(f"unknown signals: {', '.join(unknown)[:200]}")
        return counts


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    }
)
class VisibleApps(serializers.DictField):
    """Picture or title signal -> the apps of all windows that could be seen, by their codes.

    A code is all that a window may say of itself here: a title would be what it shows.
    """

    child = serializers.ListField(
        child=serializers.SlugField(max_length=60), min_length=1, max_length=MOST_VISIBLE
    )

    def to_internal_value(self, data: Any) -> dict[str, list[str]]:
        """Return the lists; raises for a signal that shows no other windows."""
        listed: dict[str, list[str]] = super().to_internal_value(data)
        if unknown := sorted(set(listed) - SHOWS_OTHER_WINDOWS):
            raise serializers.ValidationError(f"not of these signals: {', '.join(unknown)[:200]}")
        return listed


class ManifestIn(serializers.Serializer[dict[str, Any]]):
    """What an agent says about a batch before it sends the bytes."""

    batch = serializers.UUIDField()
    policy_version = serializers.IntegerField(min_value=1, max_value=LARGEST)
    purpose = serializers.SlugField(max_length=60)
    app = serializers.SlugField(max_length=60)
    signals = SignalCounts(allow_empty=False)
    until = Stamp()
    bytes = serializers.IntegerField(min_value=1, max_value=LARGEST)
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}\Z")
    redactor = serializers.CharField(max_length=40)
    visible = VisibleApps(required=False)

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which Python keeps to itself."""
        return {**super().get_fields(), "from": Stamp()}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Refuse what the framework would read and the published form does not allow.

        Otherwise an agent that follows another reading works here and nowhere else.
        """
        if isinstance(data, dict) and (loose := loosely_said(data)):
            raise serializers.ValidationError(loose)
        read: dict[str, Any] = super().to_internal_value(data)
        return read

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an interval that runs backwards, and windows seen on what is not there."""
        since: datetime = attrs["from"]
        if attrs["until"] < since:
            raise serializers.ValidationError({"until": "lies before from"})
        if not set(attrs.get("visible", {})) <= set(attrs["signals"]):
            raise serializers.ValidationError({"visible": "names a signal that signals does not"})
        return attrs


def loosely_said(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the members that are a number in a text, a text that is none, or no plain UUID."""
    found = {}
    for name in TEXTS & manifest.keys():
        said = manifest[name]
        if not isinstance(said, str) or said != said.strip():
            found[name] = "Must be a text, with nothing around it."
    for name in NUMBERS & manifest.keys():
        if isinstance(manifest[name], str):
            found[name] = "Must be a number."
    counts = manifest.get("signals")
    if isinstance(counts, dict) and any(isinstance(count, str) for count in counts.values()):
        found["signals"] = "Must be numbers."
    if "batch" in manifest and "batch" not in found and not UUID_FORM.fullmatch(manifest["batch"]):
        found["batch"] = "Must be a UUID, as RFC 9562 writes it."
    return found


class BatchOut(serializers.Serializer[dict[str, Any]]):
    """Where a batch stands."""

    batch = serializers.UUIDField()
    state = serializers.CharField(help_text=STATES)
    upload_url = serializers.CharField(
        required=False, help_text="Where to PUT the bytes; on another host without the token."
    )
    upload_headers = serializers.DictField(
        child=serializers.CharField(),
        required=False,
        help_text="Headers to send with the bytes, exactly these; only for another host.",
    )
    upload_until = serializers.DateTimeField(
        required=False, help_text="When that address ends; only for another host."
    )
    received_url = serializers.CharField(
        required=False, help_text="Where to POST once the bytes are there; only for another host."
    )


class BatchesView(APIView):
    """Announce a batch."""

    @extend_schema(request=ManifestIn, responses={200: BatchOut, 201: BatchOut})
    def post(self, request: Request) -> Response:
        """Return where to send the bytes; a repeat returns what stands."""
        agent = agent_of(request)
        pace.count(_announced, agent.ref.bytes)
        said = ManifestIn(data=request.data)
        said.is_valid(raise_exception=True)
        manifest = services.Manifest(
            **{FIELDS.get(name, name): value for name, value in said.validated_data.items()}
        )
        try:
            admission = services.announce_batch(agent=agent, manifest=manifest)
            is_new = admission.is_new
            if (refused := services.refusal_of(admission)) is not None:
                raise refused
            admission, address = services.offer_address(agent=agent, admission=admission)
        except RetentionError as refusal:
            raise as_problem(refusal) from refusal
        answer = BatchOut(_standing(admission, address))
        return Response(answer.data, status=201 if is_new else 200)


class ReceivedView(APIView):
    """Say that the bytes lie where the answer to the manifest said."""

    @extend_schema(request=None, responses={200: BatchOut, 201: BatchOut})
    def post(self, request: Request, batch: UUID) -> Response:
        """Read the bytes back and judge the batch; a repeat returns what stands."""
        agent = agent_of(request)
        pace.count(_reported, agent.ref.bytes)
        before = Admission.objects.filter(batch=batch, agent=agent).first()
        try:
            admission = services.receive_uploaded(agent=agent, batch=batch)
        except RetentionError as refusal:
            raise as_problem(refusal) from refusal
        repeated = before is not None and before.state == Admission.State.ADMITTED
        return Response(BatchOut(_standing(admission)).data, status=200 if repeated else 201)


@require_safe
def batch_schema(request: HttpRequest) -> HttpResponse:
    """The form of a manifest, as JSON Schema (draft 2020-12)."""
    return schema_response(_schema())


@lru_cache(maxsize=1)
def _schema() -> bytes:
    return (Path(retention.__path__[0]) / "batch.schema.json").read_bytes()


@csrf_exempt
@require_http_methods(["PUT"])
def upload(request: HttpRequest, batch: UUID) -> HttpResponse:
    """Take the bytes of an announced batch; nothing is kept unless length and hash agree."""
    try:
        agent = agent_for(
            bearer_token(request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1"))
        )
        _refuse_parts(request)
        before = Admission.objects.filter(batch=batch, agent=agent).first()
        try:
            _compare_length(request, before)
            admission = services.receive_bytes(agent=agent, batch=batch, chunks=_chunks(request))
        except RetentionError as refusal:
            return problem_response(as_problem(refusal))
    except Problem as refusal:
        return problem_response(refusal)
    except exceptions.APIException as refusal:
        answer = problem_handler(refusal, {})
        status = answer.status_code if answer else 400
        return JsonResponse(
            answer.data if answer else {}, status=status, content_type="application/problem+json"
        )
    repeated = before is not None and before.state == Admission.State.ADMITTED
    return JsonResponse(
        {"batch": str(batch), "state": admission.state}, status=200 if repeated else 201
    )


def as_problem(refusal: RetentionError) -> Problem:
    """Return a refusal of the retention package in the API's own shape."""
    reasons = {"reasons": refusal.reasons} if isinstance(refusal, BatchRefused) else {}
    return Problem(
        status_code=STATUS_OF.get(refusal.code, 400),
        code=refusal.code,
        detail=refusal.detail,
        next_step=refusal.next_step,
        **reasons,
    )


def _standing(admission: Admission, address: Address | None = None) -> dict[str, Any]:
    standing: dict[str, Any] = {"batch": admission.batch, "state": admission.state}
    if address is not None:
        standing["upload_url"] = address.url
        standing["upload_headers"] = address.headers
        standing["upload_until"] = address.until
        standing["received_url"] = reverse("api-batch-received", args=[admission.batch])
    elif admission.state == Admission.State.AWAITING_BYTES:
        standing["upload_url"] = reverse("api-batch-bytes", args=[admission.batch])
    return standing


def _refuse_parts(request: HttpRequest) -> None:
    """Raise Problem 400 where the body says that it is a part of something (RFC 9110 14.4)."""
    if "HTTP_CONTENT_RANGE" in request.META:
        raise Problem(
            status_code=400,
            code="content_range_refused",
            detail="A batch is sent whole: a part of it (Content-Range) is not taken.",
            next_step="Send all of the bytes, without Content-Range.",
        )


def _compare_length(request: HttpRequest, admission: Admission | None) -> None:
    """Raise BytesDoNotMatch where another length is announced now: then none of it is read."""
    said = request.META.get("CONTENT_LENGTH") or ""
    if (
        admission is not None
        and admission.state == Admission.State.AWAITING_BYTES
        and said.isdecimal()
        and int(said) != admission.manifest["bytes"]
    ):
        raise BytesDoNotMatch


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    """Yield what comes; raises UploadTooSlow where nothing does any more.

    Here, as a store takes any error of the system for its own. Who went away hears nothing of it.
    """
    try:
        while chunk := request.read(CHUNK):
            yield chunk
    except UnreadablePostError as error:
        raise UploadTooSlow from error
