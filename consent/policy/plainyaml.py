"""YAML without its traps: a bare NO, on or 2026-12-10 is a text, and no key stands twice.

Of its tags it knows those of JSON's own kinds; a set, a timestamp or an object is refused.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import yaml

from consent.policy.factsfile import FactsError

OnceEach = Callable[[Iterable[tuple[Any, Any]]], dict[Any, Any]]


class _PlainLoader(yaml.SafeLoader):
    """Knows null, true, false and whole numbers (YAML 1.2's core); all else is a text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    yaml_constructors = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in {"null", "bool", "int", "str", "seq", "map"}
    }


_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)


def read_plain_yaml(text: str, once_each: OnceEach) -> Any:
    """Return what the YAML says, or raise with one sentence."""

    def mapping(loader: _PlainLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        return once_each(
            (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
            for key, value in node.value
        )

    class Loader(_PlainLoader):
        pass

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        return yaml.load(text, Loader)  # noqa: S506  a subclass of SafeLoader
    except (yaml.YAMLError, TypeError, KeyError) as problem:  # a key of no kind; `!!bool x`
        where = " ".join(str(problem).split())
        raise FactsError(f"The facts are neither JSON nor YAML: {where}.") from None
