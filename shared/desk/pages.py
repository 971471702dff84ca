"""Jinja environment and `render`: whole pages for a navigation, one block for a fragment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateNotFound
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shared.desk.files import static_url
from shared.desk.wareki import date_text, moment, short, to_wareki

TEMPLATES = Path(__file__).parent / "templates"
#: The folder that holds shared/ and services/: a unit's migrations are named relative to it.
TREE = Path(__file__).resolve().parents[2]

#: g + letter, by where an entry leads; the first entry of each kind gets the letter.
GO = (("/intake", "KeyI"), ("/d/", "KeyC"), ("/inbox", "KeyA"), ("/center", "KeyM"), ("/outreach", "KeyO"), ("/ops", "KeyP"), ("/settings", "KeyS"))


class UnitPages(Protocol):
    """What the shell needs of a unit (shared.runtime.unit.Unit)."""

    @property
    def root(self) -> Path: ...
    @property
    def migrations(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class NavLink:
    label: str
    href: str
    current: bool
    go: str


class HtmlOnlyLoader(FileSystemLoader):
    """Refuses any name but *.html: with another ending somebody, somewhere, would get a template that does not escape."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Any]:
        if not template.endswith(".html"):
            raise TemplateNotFound(template, f"{template}: name every template *.html")
        return super().get_source(environment, template)


@cache
def _environment(folders: tuple[Path, ...]) -> Environment:
    environment = Environment(
        loader=HtmlOnlyLoader([*folders, TEMPLATES]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        enable_async=False,
    )
    environment.filters |= {"wareki": to_wareki, "short": short, "moment": moment, "date_text": date_text}
    environment.globals["static"] = static_url
    return environment


def templates_for(unit: UnitPages | None) -> Environment:
    """The templates a unit may use: its own `pages/`, those of the libraries it is built on, and the shell.

    The libraries are the folders its migrations come from (`services/cases/casework/migrations` → `services/cases/casework/pages`).
    """
    if unit is None:
        return _environment(())
    libraries = [(TREE / migration).parent / "pages" for migration in unit.migrations]
    folders = dict.fromkeys([unit.root / "pages", *libraries])
    return _environment(tuple(folder for folder in folders if folder.is_dir()))


def is_fragment(request: Request) -> bool:
    """An htmx request for a part of a page; false when htmx wants the whole page, and for a plain navigation."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-request-type") != "full"


def _navigation(request: Request, staff: Any) -> list[NavLink]:
    source: Any = getattr(request.app.state, "navigation", ())
    if hasattr(source, "visible_to"):
        source = source.visible_to(staff)
    entries = sorted((e for e in source if staff and (not e.roles or staff.roles & set(e.roles))), key=lambda e: (e.order, e.label))
    path = request.url.path
    here = max((e.href for e in entries if path == e.href or (e.href != "/" and path.startswith(e.href))), key=len, default="")
    letters: dict[str, str] = {}
    for entry in entries:
        letter = next((go for start, go in GO if entry.href.startswith(start)), "")
        if letter and letter not in letters.values():
            letters[entry.href] = letter
    return [NavLink(e.label, e.href, e.href == here, letters.get(e.href, "")) for e in entries]


def frame(request: Request) -> dict[str, Any]:
    """What every page gets beside its own values. No CSRF token: the web frame checks fetch metadata."""
    staff = getattr(request.state, "staff", None)
    return {
        "staff": staff,
        "glasses": getattr(getattr(request.state, "rights", None), "glasses", ()),
        "roles": getattr(staff, "role_label", ""),
        "navigation": _navigation(request, staff),
        "unit": getattr(request.app.state, "unit", None),
        "path": request.url.path,
        "lock_minutes": getattr(getattr(request.app.state, "settings", None), "screen_lock_minutes", 0),
        "fragment": is_fragment(request),
    }


def _render_block(template: Template, block: str, values: Mapping[str, Any]) -> str:
    context = template.new_context(dict(values))
    root = template.root_render_func(context)
    # Jinja runs a child's top-level {% import %} and {% set %} before the first text of its layout comes out, and links the
    # parents' blocks; one step of the generator is therefore all that a block needs to be rendered alone.
    next(iter(root), None)
    return "".join(context.blocks[block][0](context))


def _wants_page(request: Request) -> bool:
    """A browser navigating (no htmx): half a page would stand there without its shell."""
    return request.headers.get("hx-request-type") == "full" or request.headers.get("sec-fetch-mode") == "navigate"


def render(request: Request, name: str, context: Mapping[str, Any], block: str | None = None, status: int = 200) -> HTMLResponse:
    """The page `name`; with `block` that block alone (a fragment), unless a browser is navigating to it.

    Raises `jinja2.UndefinedError` for a value the template needs and was not given.
    """
    template = templates_for(getattr(request.app.state, "unit", None)).get_template(name)
    values = {"request": request, **frame(request), **context}
    text = _render_block(template, block, values) if block and not _wants_page(request) else template.render(values)
    return HTMLResponse(text, status_code=status, headers={"Cache-Control": "no-store", "Vary": "HX-Request, HX-Request-Type"})


def redirect(request: Request, url: str) -> Response:
    """After a save. htmx would follow a 303 by itself and put the new page inside the old one, so it gets HX-Redirect."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": url})
    return RedirectResponse(url, status_code=303)


def say(response: Response, text: str) -> Response:
    """Has the page tell `text` in its polite live region (下書き保存 10:12). Never a name: headers may be logged."""
    response.headers["HX-Trigger"] = json.dumps({"desk:say": {"text": text}})
    return response
