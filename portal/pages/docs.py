"""`/docs/`: the documentation of this very version, from the files in docs/."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

FOLDER = settings.BASE_DIR / "docs"
PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}


class Trusted(str):
    """HTML made here from our own files, by a renderer that lets no HTML of theirs through."""

    __slots__ = ()

    def __html__(self) -> str:
        """Tell templates that this needs no escaping any more."""
        return str(self)


@require_safe
def page(request: HttpRequest, name: str = "index") -> HttpResponse | FileResponse:
    """Show one page, or hand out a picture that a page shows."""
    path = _path(name)
    if path.suffix in PICTURES and path.is_file():
        return FileResponse(path.open("rb"), content_type=PICTURES[path.suffix])
    title, body = _rendered(path.with_name(f"{path.name}.md"))
    return render(
        request,
        "docs/page.html",
        {"title": title, "body": Trusted(body), "pages": _contents(name)},
    )


def _path(name: str) -> Path:
    path = (FOLDER / name).resolve()
    if not path.is_relative_to(FOLDER.resolve()):
        raise Http404
    return path


@lru_cache(maxsize=200)
def _rendered(path: Path) -> tuple[str, str]:
    """Return title and HTML of a file; the first heading is the title and is not repeated."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Http404 from error
    first, _newline, rest = text.lstrip().partition("\n")
    title = first.removeprefix("# ").strip()
    return title, _renderer().render(rest)


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")

    def heading(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
        """Give headings ids, so that problem details can point at them."""
        words = tokens[index + 1].content.strip().lower()
        anchor = "".join(c if c.isalnum() or c == "_" else "-" for c in words).strip("-")
        tokens[index].attrSet("id", anchor)
        return str(self.renderToken(tokens, index, options, env))

    def link(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
        """Leave `.md` out: between files a link needs it, our addresses do without."""
        page, mark, place = str(tokens[index].attrGet("href") or "").partition("#")
        if "://" not in page and page.endswith(".md"):
            tokens[index].attrSet("href", f"{page.removesuffix('.md')}{mark}{place}")
        return str(self.renderToken(tokens, index, options, env))

    def code(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
        """Let the keyboard reach what scrolls (WCAG 2.2, 2.1.1)."""
        shown = getattr(RendererHTML, tokens[index].type)(self, tokens, index, options, env)
        return str(shown).replace("<pre", '<pre tabindex="0"', 1)

    def table(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
        """Put what scrolls round the table: one that scrolls by itself is none to be read out."""
        shown = str(self.renderToken(tokens, index, options, env))
        if tokens[index].nesting < 0:
            return f"{shown}</div>\n"
        return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">\n{shown}'

    for kind in ("fence", "code_block"):
        renderer.add_render_rule(kind, code)
    for kind in ("table_open", "table_close"):
        renderer.add_render_rule(kind, table)
    renderer.add_render_rule("heading_open", heading)
    renderer.add_render_rule("link_open", link)
    return renderer


@lru_cache(maxsize=1)
def _pages() -> tuple[tuple[str, str], ...]:
    """Return (name, title) of every page that docs/index.md links to, in its order."""
    found = [("index", "Documentation")]
    for token in _renderer().parse((FOLDER / "index.md").read_text(encoding="utf-8")):
        for child in token.children or ():
            href = str(child.attrGet("href") or "") if child.type == "link_open" else ""
            if href.endswith(".md"):
                name = href.removesuffix(".md")
                found.append((name, _rendered(FOLDER / href)[0]))
    return tuple(found)


def _contents(current: str) -> list[dict[str, Any]]:
    return [
        {"label": title, "url": reverse("docs-page", args=[name]), "current": name == current}
        for name, title in _pages()
    ]
