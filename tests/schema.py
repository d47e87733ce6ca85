"""The published schemas of policies and manifests, by the `jsonschema` package."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "consent" / "policy" / "policy.schema.json"
SHIPPED = ROOT / "agentkit" / "sayso_agent" / "policy.schema.json"
BATCHES = ROOT / "retention" / "batch.schema.json"
BATCHES_SHIPPED = ROOT / "agentkit" / "sayso_agent" / "batch.schema.json"


@lru_cache(maxsize=1)
def policy_validator() -> Any:
    """A validator of whole policies; the schema itself is checked first."""
    return _validator(PUBLISHED)


@lru_cache(maxsize=1)
def batch_validator() -> Any:
    """A validator of manifests, likewise."""
    return _validator(BATCHES)


def _validator(file: Path) -> Any:
    schema = json.loads(file.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
