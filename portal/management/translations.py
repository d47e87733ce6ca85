"""What the pages say to employees, and which of it a language of the product lacks.

Read from the sources themselves: the templates as Django parses them, the modules as Python does.
"""

import ast
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from django.conf import settings
from django.template.base import FilterExpression, Node
from django.template.engine import Engine
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils.functional import Promise
from django.utils.translation import override, trim_whitespace

from consent import exceptions
from consent.notices import REQUIRED_SECTIONS
from consent.rules import shipped

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATES: Final = (
    "4*.html",
    "5*.html",
    "base.html",
    "account/*.html",
    "account/messages/*.txt",
    "allauth/**/*.html",
    "components/*.html",
    "idp/**/*.html",
    "mfa/**/*.html",
    "mfa/messages/*.txt",
    "you/*.html",
    "pages/landing.html",
    "pages/form.html",
    "privacy/_explanation.html",
)
STAFF_ONLY: Final = {"chart.html", "goals.html", "rooms.html"}
"""Among those: pieces that only pages of staff show."""
MODULES: Final = (
    "portal/accounts.py",
    "portal/pages/beginning.py",
    "portal/pages/capture.py",
    "portal/pages/codes.py",
    "portal/pages/context.py",
    "portal/pages/decide.py",
    "portal/pages/fleet.py",
    "portal/pages/groundwords.py",
    "portal/pages/history.py",
    "portal/pages/hourwords.py",
    "portal/pages/reasonwords.py",
    "portal/pages/shares.py",
    "portal/pages/words.py",
    "portal/pages/holdings.py",
    "portal/pages/machines.py",
    "portal/pages/you.py",
    "portal/templatetags/words.py",
)
PARTS: Final = {
    "portal/pages/explain.py": {"ILLEGIBLE", "QuestionForm", "of_oneself"},
    "portal/pages/people.py": {"DoubtForm", "of_oneself", "_doubt", "_told"},
    "portal/pages/registry.py": {"ReportForm", "report"},
    "portal/pages/changes/fields.py": {"CHOOSE", "apps"},
    "portal/pages/receipts.py": {"_entry_words"},
    "portal/pages/rulewords.py": {"WORDS", "EVIDENCE", "LABELS", "value_words", "_days", "_months"},
    "portal/personfacts.py": {"KINDS"},
}
"""Modules of which only these classes, functions and names speak to employees."""
REFUSALS: Final = (
    exceptions.NothingChosen,
    exceptions.NotOffered,
    exceptions.NoticeOutdated,
    exceptions.NoticeNotWaivable,
    exceptions.PurposeNotOpen,
    exceptions.PersonDeparted,
    exceptions.AgentUnknown,
    exceptions.AnswerUnclear,
)
THEIRS: Final = ("You must type the same password each time.",)
"""What allauth says by itself, and in German to somebody it does not know well."""
CALLS: Final = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), ("one",)),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), ("one", "many")),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ("context", "one")),
}


class Said(NamedTuple):
    """One text: its singular, its plural where it has one, and its context."""

    one: str
    many: str = ""
    context: str = ""


def said_to_employees() -> set[Said]:
    """Return every text that a page may show to an employee."""
    found: set[Said] = set()
    engine = Engine.get_default()
    folder = ROOT / "templates"
    for pattern in TEMPLATES:
        for path in folder.glob(pattern):
            if path.name not in STAFF_ONLY:
                template = engine.get_template(path.relative_to(folder).as_posix())
                found.update(_in_nodes(template.nodelist, set()))
    for name in MODULES:
        found.update(_in_code(ast.parse((ROOT / name).read_text(encoding="utf-8"))))
    for name, parts in PARTS.items():
        module = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        for node in module.body:
            if _named(node) & parts:
                found.update(_in_code(node))
    found |= {Said(heading) for _code, heading in REQUIRED_SECTIONS}
    found |= {Said(text) for text in THEIRS}
    found |= {Said(gate.title) for gate in shipped().gates.values()}
    for refusal in REFUSALS:
        found |= {Said(refusal().detail), Said(refusal.next_step)}
    return found


def untranslated(language: str) -> list[Said]:
    """Return what employees may read that has no words in a language, in alphabetical order."""
    known = catalogue(language)
    return sorted(said for said in said_to_employees() if not _has(known, said))


def catalogue(language: str) -> Catalog:
    """Return the translations into a language, as translators keep them."""
    with source(language).open("rb") as file:
        return pofile.read_po(file, locale=language)


def compiled(language: str) -> bytes:
    """Return what gettext reads, made from what translators keep."""
    made = io.BytesIO()
    mofile.write_mo(made, catalogue(language))
    return made.getvalue()


def source(language: str) -> Path:
    """Return where the translations into a language are kept."""
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"


def languages() -> list[str]:
    """Return the languages that need translations: all but the one the pages are written in."""
    return [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def _has(known: Catalog, said: Said) -> bool:
    message = known.get(said.one, said.context or None)
    if message is None or message.fuzzy:
        return False
    words = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(words) and bool(said.many) == isinstance(message.string, tuple)


def _in_code(tree: ast.AST) -> Iterator[Said]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            named = dict(zip(CALLS[node.func.id], texts, strict=False))
            if isinstance(named.get("one"), str):
                yield Said(**{name: str(text) for name, text in named.items()})


def _named(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


def _in_nodes(nodes: Iterable[Node], seen: set[int]) -> Iterator[Said]:
    for node in nodes:
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, TranslateNode):
            literal = getattr(node.filter_expression.var, "literal", None)
            yield Said(str(literal), context=_plain(node.message_context))
        elif isinstance(node, BlockTranslateNode):
            yield _block(node)
        for value in vars(node).values():
            yield from _inside(value, seen)


def _inside(value: Any, seen: set[int]) -> Iterator[Said]:
    """Look into whatever a node keeps: nodes, expressions, and lists or pairs of either."""
    if isinstance(value, Node):
        yield from _in_nodes([value], seen)
    elif isinstance(value, FilterExpression):
        if isinstance(value.var, Promise):
            with override(None):
                yield Said(str(value.var))
    elif isinstance(value, dict):
        yield from _inside(list(value.values()), seen)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _inside(item, seen)


def _block(node: BlockTranslateNode) -> Said:
    texts = [node.render_token_list(tokens)[0] for tokens in (node.singular, node.plural) if tokens]
    one, *many = (trim_whitespace(text) if node.trimmed else text for text in texts)
    return Said(one, many[0] if many else "", _plain(node.message_context))


def _plain(context: FilterExpression | None) -> str:
    """Return a context as it stands in the template, without its quotation marks."""
    return str(context or "").strip("\"'")
