"""No manifest is read that the published form does not allow."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from portal.api.batches import ManifestIn
from portal.api.bounds import LARGEST
from retention.manifests import MOST_A_SECOND, Manifest, count_objections
from tests.schema import batch_validator

PLAIN: dict[str, Any] = {
    "batch": "0b0e4f0e-7c1d-4f0e-9a55-3f0a3c1d2e4f",
    "policy_version": 1795324000000,
    "purpose": "train-agents",
    "app": "tracker",
    "signals": {"mouse_click": 3, "scroll": 1},
    "from": "2026-11-26T10:00:00.000Z",
    "until": "2026-11-26T10:00:01.000Z",
    "bytes": 37,
    "sha256": "ab" * 32,
    "redactor": "own/1.0",
}


FORMATS: Final = FormatChecker(["uuid"])
DATE_TIME: Final = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
"""RFC 3339 section 5.6; jsonschema by itself passes over this format."""


@FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or DATE_TIME.fullmatch(value) is not None


MOMENTS: Final = [
    f"2026-11-26{between}10:{rest}"
    for between in ("T", "t", " ", "  ", "_", "")
    for rest in (
        "00:01Z",
        "00:01z",
        "00:01.5Z",
        "00:01,5Z",
        "00:01+00:00",
        "00:01+0000",
        "00:01+00",
        "00Z",
        "00:01-00:00",
        "00:01.1234567891Z",
        "00:01",
        "00:01 Z",
        "00:60Z",
        "0001Z",
        "00:01.Z",
    )
] + [
    "2026-W48-4T10:00:01Z",
    "2026-330T10:00:01Z",
    "20261126T100001Z",
    "\u0662026-11-26T10:00:01Z",
    "2026-11-26T10:00:01+23:59",
    "2026-11-26T10:00:01+99:00",
    "+2026-11-26T10:00:01Z",
    "2026-11-26T24:00:00Z",
    "2026-02-30T10:00:01Z",
    "2026-11-26T10:00:01Z\n",
    "1795687201",
]
"""The same instant in ways that somebody reads, and some that are none."""


def allowed(manifest: object) -> bool:
    """By the published form, the formats of texts included."""
    schema = batch_validator().schema
    return bool(Draft202012Validator(schema, format_checker=FORMATS).is_valid(manifest))


def read(manifest: Any) -> bool:
    return bool(ManifestIn(data=manifest).is_valid())


def looser(value: Any) -> st.SearchStrategy[Any]:
    """The same thing said in other ways, and other things."""
    text = str(value)
    said = [text, text.upper(), f" {text}", f"{text}\n", "{" + text + "}", f"urn:uuid:{text}", ""]
    others = [*said, [value], {"x": value}, None, True, 5, 5.0, 0, -1, 1.5, text.replace("-", "")]
    return st.sampled_from([value, *others])


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    found = dict(PLAIN)
    for name in draw(st.sets(st.sampled_from(sorted(PLAIN)), min_size=1, max_size=3)):
        found[name] = draw(looser(PLAIN[name]))
    if draw(st.booleans()):
        found["until"] = draw(st.sampled_from(MOMENTS))
    if draw(st.booleans()):
        counts = st.sampled_from([1, 2.0, "3", 0, -1, True, None, 10_000_001, "1.0", 1.5])
        found["signals"] = {"mouse_click": draw(counts)}
    if draw(st.integers(0, 9)) == 0:
        del found[draw(st.sampled_from(sorted(PLAIN)))]
    return found


def test_a_plain_manifest_is_both_allowed_and_read() -> None:
    assert allowed(PLAIN)
    assert read(PLAIN)
    assert read({**PLAIN, "batch": str(uuid4()).upper(), "unknown": "to come"})


@pytest.mark.parametrize("said", MOMENTS)
def test_a_moment_is_read_as_the_published_form_has_it(said: str) -> None:
    """Both ways, but for what no calendar has, and for what lies before `from`."""
    manifest = {**PLAIN, "from": "2026-11-25T00:00:00Z", "until": said}

    if read(manifest):
        assert allowed(manifest)
    elif allowed(manifest):
        with pytest.raises(ValueError, match=r"hour|minute|second|day|offset|Invalid"):
            datetime.fromisoformat(said.upper().replace("24:", "25:"))


@given(manifest=manifests())
def test_what_is_read_is_allowed(manifest: dict[str, Any]) -> None:
    if read(manifest):
        assert allowed(manifest), manifest


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("batch", 5),
        ("batch", "{0b0e4f0e-7c1d-4f0e-9a55-3f0a3c1d2e4f}"),
        ("batch", "urn:uuid:0b0e4f0e-7c1d-4f0e-9a55-3f0a3c1d2e4f"),
        ("batch", "0b0e4f0e7c1d4f0e9a553f0a3c1d2e4f"),
        ("bytes", "37"),
        ("policy_version", "1"),
        ("signals", {"mouse_click": "3"}),
        ("app", " tracker"),
        ("purpose", "train-agents\n"),
        ("redactor", 5),
    ],
)
def test_what_only_the_framework_would_read_is_named(name: str, said: object) -> None:
    told = ManifestIn(data={**PLAIN, name: said})

    assert not told.is_valid()
    assert set(told.errors) == {name}


# --- what its counts claim -----------------------------------------------------------------------


NEAR: Final = [1, 9_999, 10_000, 10_001, 20_000, 20_001, 30_000, 30_001]
SPANS: Final = [0, 1, 999_999, 1_000_000, 1_000_001, 2_000_000, 2_000_001, 3_000_000]


@given(
    st.dictionaries(
        st.sampled_from(["mouse_click", "scroll", "key_meta"]), st.sampled_from(NEAR), min_size=1
    ),
    st.integers(1, 60_000),
    st.sampled_from(SPANS),
)
def test_counts_must_fit_the_bytes_and_the_time(
    counts: dict[str, int], size: int, span: int
) -> None:
    """Worked out the long way: a byte for each event, and every second that was begun."""
    begins = datetime(2026, 11, 26, tzinfo=UTC)
    said = manifest_of(counts, size, begins, begins + timedelta(microseconds=span))
    seconds = len(range(0, max(span, 1), 1_000_000))

    expected = [] if size >= sum(counts.values()) else ["more_events_than_bytes"]
    expected += [
        f"more_events_than_time:{signal}"
        for signal in sorted(counts)
        if counts[signal] > 10_000 * seconds
    ]
    assert list(count_objections(said)) == expected


def manifest_of(counts: dict[str, int], size: int, since: datetime, until: datetime) -> Manifest:
    return Manifest(
        batch=uuid4(), policy_version=1, purpose="p", app="a", signals=counts,
        captured_from=since, captured_until=until, bytes=size, sha256="", redactor="",
    )  # fmt: skip


def test_the_published_form_says_the_bounds_that_are_kept() -> None:
    said = batch_validator().schema["properties"]

    assert f"{MOST_A_SECOND:,}" in said["signals"]["description"]
    for code in ("more_events_than_bytes", "more_events_than_time"):
        assert code in said["signals"]["description"]
    for name in ("bytes", "policy_version"):
        assert said[name]["maximum"] == LARGEST
        assert not read({**PLAIN, name: LARGEST + 1})
