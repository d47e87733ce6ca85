"""What an rrweb stream says of the page's elements: as much as is needed to leave things out.

Pure. The recorder numbers every node; for each we keep its tag, whether it takes secrets, whether
people type in it and whether it belongs to another page that is embedded in this one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sayso_agent.redact import secure_field
from sayso_agent.words import listed

ELEMENT: Final = 2
TEXT: Final = 3
DEEPEST: Final = 512
_SILENT: Final = frozenset({"script", "style", "noscript", "template", "head", "title"})
_FIELDS: Final = frozenset({"input", "textarea", "select", "option"})
_INLINE: Final = frozenset(
    listed(
        "a abbr b bdi bdo cite code data del dfn em font i ins kbd label mark q s samp small span "
        "strong sub sup time tt u var wbr"
    )
)
_CHOICES: Final = frozenset({"checkbox", "radio", "range", "color", "button", "submit", "reset"})


@dataclass(slots=True)
class Node:
    """One node of the page."""

    tag: str = ""
    choice: bool = False  # picked, not typed: a list, a tick box
    secure: bool = False  # once a password field, always one: "show password" changes the type
    typed_in: bool = False
    silent: bool = False
    framed: bool = False


class Page:
    """The nodes seen since the last full snapshot."""

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}
        self._title = ""

    def load(self, root: Any) -> str:
        """Start anew from a full snapshot; return its visible text, a line for each block."""
        self._nodes.clear()
        self._title = ""
        return "\n".join(self._lines(self._add(root, Node())))

    def title(self) -> str:
        """Return the title in the last snapshot."""
        return self._title

    def node(self, number: Any) -> Node | None:
        """Return what is known of a node, None for one never seen."""
        return self._nodes.get(number) if isinstance(number, int) else None

    def change(self, data: Mapping[str, Any]) -> tuple[str, str]:
        """Follow a mutation; return the visible text it brought and why some was left out."""
        self._attributes(data.get("attributes"))
        skipped = ""
        lines: list[str] = []
        for entry in _entries(data.get("adds")):
            parent = self.node(entry.get("parentId"))
            if parent is None or data.get("isAttachIframe"):
                parent = Node(framed=True)  # of a page we know nothing about
            fragments = list(self._add(entry.get("node"), parent))
            skipped = skipped or _why_left_out(parent)
            lines += self._lines(iter(fragments))
        for entry in _entries(data.get("texts")):
            node, value = self.node(entry.get("id")), entry.get("value")
            if node is None or _why_left_out(node):
                skipped = skipped or _why_left_out(node)
            elif isinstance(value, str) and value.strip():
                lines.append(value.strip())
        return "\n".join(lines), skipped

    def _add(self, raw: Any, parent: Node) -> Iterator[str]:
        """Take a node and all below it; yield text in order, "" between blocks.

        Walks with a stack of its own: a page may be nested deeper than Python recurses.
        """
        stack: list[tuple[Any, Node, int]] = [(raw, parent, 0)]
        while stack:
            entry, above, depth = stack.pop()
            if entry is None:
                yield ""
            if not isinstance(entry, dict) or depth > DEEPEST:
                continue
            node = _read(entry, above)
            if isinstance(entry.get("id"), int):
                self._nodes[entry["id"]] = node
            text = entry.get("textContent")
            if entry.get("type") == TEXT and isinstance(text, str):
                self._note_title(above, text)
                if not _why_left_out(node) and not node.silent:
                    yield text
            block = entry.get("type") == ELEMENT and node.tag not in _INLINE
            edge: list[tuple[Any, Node, int]] = [(None, node, depth)] if block else []
            below = entry.get("childNodes")
            inside = [(c, node, depth + 1) for c in below] if isinstance(below, list) else []
            stack += [*edge, *reversed(inside), *edge]

    def _note_title(self, above: Node, text: str) -> None:
        if above.tag == "title" and not above.framed:
            self._title = text.strip()

    def _lines(self, fragments: Iterator[str]) -> Iterator[str]:
        line: list[str] = []
        for fragment in fragments:
            if fragment:
                line.append(fragment)
            elif line:
                yield " ".join("".join(line).split())
                line = []
        if line:
            yield " ".join("".join(line).split())

    def _attributes(self, changes: Any) -> None:
        for entry in _entries(changes):
            node, attributes = self.node(entry.get("id")), entry.get("attributes")
            if node is not None and isinstance(attributes, dict):
                node.secure = node.secure or secure_field(attributes)
                node.typed_in = node.typed_in or _editable(attributes)


def _read(entry: Mapping[str, Any], above: Node) -> Node:
    """Return a node as it follows from itself and from what it lies in."""
    node = Node(
        secure=above.secure,
        typed_in=above.typed_in,
        silent=above.silent,
        framed=above.framed or above.tag in {"iframe", "frame"},
    )
    if entry.get("type") != ELEMENT:
        node.tag = above.tag if entry.get("type") == TEXT else ""
        return node
    raw = entry.get("attributes")
    attributes = raw if isinstance(raw, dict) else {}
    node.tag = str(entry.get("tagName", "")).lower()
    kind = str(attributes.get("type", "")).lower()
    node.choice = node.tag == "select" or (node.tag == "input" and kind in _CHOICES)
    node.secure = node.secure or (node.tag in _FIELDS and secure_field(attributes))
    node.typed_in = node.typed_in or node.tag in _FIELDS or _editable(attributes)
    node.silent = node.silent or node.tag in _SILENT
    return node


def _editable(attributes: Mapping[str, Any]) -> bool:
    value = attributes.get("contenteditable")
    return value is not None and str(value).lower() != "false"


def _why_left_out(node: Node | None) -> str:
    if node is None or node.framed:
        return "embedded_frame"
    if node.secure:
        return "secure_input"
    return "editable_text" if node.typed_in else ""


def _entries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
