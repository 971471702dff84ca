"""Every template and every macro escapes; a value that is missing is an error; a block can stand alone."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from starlette.requests import Request

from shared.desk import is_fragment, redirect, render, say, static_url, templates_for
from shared.desk.pages import TEMPLATES
from tests.shared.desk.guide_app import NAVIGATION, entry, guide_context

EVIL = "<script>alert(1)</script>\"'"
RAW = re.compile(r"<script>alert|\"'[ >]", re.IGNORECASE)
HERE = Path(__file__).parent

#: What a macro wants where it does not want a plain text.
HOSTILE: dict[str, Any] = {
    "options": [(EVIL, EVIL, EVIL, EVIL)],
    "values": [EVIL],
    "errors": {EVIL: EVIL},
    "attrs": {"data-x": EVIL},
    "rows": [[EVIL]],
    "headers": [EVIL],
    "blank": {},
    "flags": [(EVIL, EVIL)],
    "facts": [(EVIL, EVIL)],
    "pairs": [(EVIL, EVIL)],
    "stages": [EVIL, EVIL],
    "current": 0,
    "items": [{key: EVIL for key in ("at", "title", "text", "who", "source", "tone", "href", "private")}],
    "why": [(EVIL, True)],
    "lines": [EVIL],
    "evidence": [(EVIL, EVIL, EVIL)],
    "link": (EVIL, EVIL),
    "birth": date(1943, 4, 1),
    "page": 2,
    "pages": 3,
    "level": 2,
    "max": 5,
}
SPECIAL = {"tabs": {"items": [(EVIL, EVIL, EVIL)], "current": EVIL}}


def request_to(path: str = "/b1", staff: Any = None, navigation: Any = NAVIGATION, **headers: str) -> Request:
    unit = SimpleNamespace(root=HERE, migrations=())
    app = SimpleNamespace(state=SimpleNamespace(unit=unit, navigation=navigation))
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": path, "headers": raw, "query_string": b"", "app": app, "state": {"staff": staff}})


def text_of(response: Any) -> str:
    return bytes(response.body).decode()


def macros() -> Iterator[tuple[str, str]]:
    environment = templates_for(None)
    for file in ("desk/forms.html", "desk/parts.html"):
        module = environment.get_template(file).module
        for name in dir(module):
            if not name.startswith("_") and hasattr(getattr(module, name), "arguments"):
                yield file, name


@pytest.mark.parametrize(("file", "name"), list(macros()))
def test_a_macro_escapes_everything_it_is_given(file: str, name: str) -> None:
    macro = getattr(templates_for(None).get_template(file).module, name)
    given = {argument: SPECIAL.get(name, {}).get(argument, HOSTILE.get(argument, EVIL)) for argument in macro.arguments}
    if macro.caller:
        given["caller"] = lambda *values: ""
    written = str(macro(**given))
    assert not RAW.search(written)
    assert "&lt;script&gt;" in written or not set(macro.arguments) - {"columns", "sticky"}


STAFF = SimpleNamespace(sub=EVIL, name=EVIL, roles=frozenset({"reception"}), role_label=EVIL)
PAGES: dict[str, dict[str, Any]] = {
    "desk/layout.html": {},
    "desk/keys.html": {},
    "desk/frame.html": {},
    "desk/forms.html": {},
    "desk/parts.html": {},
    "desk/problem.html": {"title": EVIL, "sentence": EVIL, "fields": {"name": EVIL}, "retry": EVIL},
    "desk/not_allowed.html": {"sentence": EVIL, "who_can": EVIL},
    "desk/conflict.html": {"title": EVIL, "sentence": EVIL, "theirs": {EVIL: EVIL}, "yours": {EVIL: EVIL}},
    "desk/sign_in_again.html": {"sentence": EVIL},
    "desk/locked.html": {},
    "desk/signed_back.html": {},
    "desk/signed_out.html": {"told": False},
    "desk/slot_unavailable.html": {"url": EVIL, "label": EVIL},
    "desk/styleguide.html": guide_context()
    | {
        "members": [{"name": EVIL, "relation": EVIL}],
        "receipts": [dict.fromkeys(("number", "time", "name", "area", "urgency", "tone", "count"), EVIL)],
    },
}


def test_no_template_is_forgotten_here() -> None:
    assert set(PAGES) == {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", list(PAGES))
def test_a_page_escapes_what_it_shows(name: str) -> None:
    for headers in ({}, {"hx_request": "true"}):
        request = request_to(f"/{EVIL}", STAFF, [entry(EVIL, "/" + EVIL, 1)], **headers)
        assert not RAW.search(text_of(render(request, name, PAGES[name])))


def test_no_template_switches_escaping_off_or_writes_style_or_script_into_the_page() -> None:
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|\sstyle=|hx-on|\bjs:|<style|<script(?! src)", text), path.name


def test_only_html_templates_exist_for_the_environment() -> None:
    with pytest.raises(TemplateNotFound):
        templates_for(SimpleNamespace(root=HERE, migrations=())).get_template("guide_app.py")


def test_a_missing_value_is_an_error_and_not_a_hole() -> None:
    with pytest.raises(UndefinedError):
        render(request_to(), "desk/conflict.html", {"sentence": "x"})


def test_a_block_stands_alone_with_the_imports_of_its_page() -> None:
    fragment = text_of(render(request_to(hx_request="true", hx_request_type="partial"), "b1.html", {"candidates": []}, block="near"))
    assert "<html" not in fragment
    assert "フリガナを入れると候補が出ます。" in fragment


def test_a_browser_that_navigates_to_a_fragment_gets_the_whole_page() -> None:
    context = {"sentence": "見つかりません。"}
    assert "<html" in text_of(render(request_to(sec_fetch_mode="navigate"), "desk/problem.html", context, block="main", status=404))
    assert "<html" not in text_of(render(request_to(), "desk/problem.html", context, block="main", status=404))


def test_a_refusal_is_a_page_for_a_navigation_and_a_part_for_htmx() -> None:
    context = {"title": "できませんでした", "sentence": "終結したケースです。"}
    assert "<html" in text_of(render(request_to(), "desk/problem.html", context))
    part = text_of(render(request_to(hx_request="true"), "desk/problem.html", context))
    assert "<html" not in part
    assert "終結したケースです。" in part


def test_pages_are_never_kept_by_a_cache() -> None:
    assert render(request_to(), "desk/signed_out.html", {}).headers["cache-control"] == "no-store"


def test_navigation_shows_what_the_roles_allow_in_order_and_marks_where_one_is() -> None:
    entries = [SimpleNamespace(label="運用", href="/ops", roles=("operator",), order=1), *reversed(NAVIGATION)]
    page = text_of(
        render(request_to("/b1/42", SimpleNamespace(sub="uketsuke-1", name="佐藤", roles=frozenset({"reception"}))), "desk/signed_out.html", {})
    ).replace("\n", "")
    assert page.index(">受付<") < page.index(">担当ケース<")
    assert '<a href="/b1" aria-current="page">' in page
    assert page.count("aria-current") == 1
    with_operator = render(
        request_to("/", SimpleNamespace(sub="uketsuke-1", name="佐藤", roles=frozenset({"reception"})), entries), "desk/signed_out.html", {}
    )
    assert "運用" not in text_of(with_operator)


def test_nobody_signed_in_sees_no_navigation() -> None:
    assert "担当ケース" not in text_of(render(request_to(), "desk/signed_out.html", {}))


def test_a_save_leads_on_for_htmx_and_for_a_plain_form() -> None:
    assert redirect(request_to(hx_request="true"), "/intake/").headers["hx-redirect"] == "/intake/"
    plain = redirect(request_to(), "/intake/")
    assert (plain.status_code, plain.headers["location"]) == (303, "/intake/")


def test_what_is_said_to_the_page_travels_as_ascii() -> None:
    header = say(redirect(request_to(), "/"), "下書き保存 10:12").headers["hx-trigger"]
    assert header.isascii()
    assert "\\u4e0b" in header


def test_a_whole_page_asked_by_htmx_is_not_a_fragment() -> None:
    assert is_fragment(request_to(hx_request="true", hx_request_type="partial"))
    assert not is_fragment(request_to(hx_request="true", hx_request_type="full"))
    assert not is_fragment(request_to())


def test_addresses_of_files_change_with_their_content() -> None:
    assert re.fullmatch(r"/static/desk/desk\.css\?v=[0-9a-f]{12}", static_url("desk.css"))
    assert static_url("vendor/missing.js") == "/static/desk/vendor/missing.js"


def test_libraries_a_unit_is_built_on_lend_their_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, text in (("children/pages", "こども"), ("casework/pages", "共通")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{text}.html").write_text(text)
    monkeypatch.setattr("shared.desk.pages.TREE", tmp_path)
    environment = templates_for(SimpleNamespace(root=tmp_path / "children", migrations=("casework/migrations", "children/migrations")))
    assert environment.get_template("共通.html").render() == "共通"
    assert environment.get_template("こども.html").render() == "こども"
