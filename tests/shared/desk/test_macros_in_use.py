"""Every unit calls the macros as they are: a wrong argument would only show when somebody opens that page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import nodes

from shared.desk import templates_for
from shared.desk.pages import TEMPLATES, TREE

PAGES = [*sorted(TREE.glob("services/**/pages/**/*.html")), *sorted(TREE.glob("deploy/console/pages/**/*.html")), *sorted(TEMPLATES.rglob("*.html"))]


def calls(template: nodes.Template) -> Iterator[tuple[str, str, nodes.Call, bool]]:
    """(file, macro, call, whether it is a {% call %} block) of each macro of the shell that the template uses."""
    names: dict[str, str] = {node.target: node.template.value for node in template.find_all(nodes.Import) if isinstance(node.template, nodes.Const)}
    in_blocks = {id(block.call) for block in template.find_all(nodes.CallBlock)}
    for call in template.find_all(nodes.Call):
        target = call.node
        if isinstance(target, nodes.Getattr) and isinstance(target.node, nodes.Name):
            file = names.get(target.node.name, "")
            if file in ("desk/forms.html", "desk/parts.html"):
                yield file, target.attr, call, id(call) in in_blocks


def misfit(file: str, name: str, call: nodes.Call, block: bool) -> str:
    macro: Any = getattr(templates_for(None).get_template(file).module, name, None)
    if macro is None:
        return f"{name} does not exist"
    unknown = {keyword.key for keyword in call.kwargs} - set(macro.arguments)
    if unknown or len(call.args) > len(macro.arguments):
        return f"{name}: unknown {unknown or 'extra arguments'}"
    if block and not macro.caller:
        return f"{name} takes no {{% call %}}"
    return ""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(TREE).as_posix())
def test_macros_are_called_as_they_are_written(path: Path) -> None:
    template = templates_for(None).parse(path.read_text(encoding="utf-8"))
    assert [found for found in (misfit(*call) for call in calls(template)) if found] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(TREE).as_posix())
def test_a_trigger_that_listens_elsewhere_quotes_its_selector(path: Path) -> None:
    """`from:closest form` is read by htmx 4 as the selector `closest`: it listens to nothing and says nothing."""
    assert re.findall(r"(?:from|target):(?:closest|find|next|previous)\s[^,\"]*", path.read_text(encoding="utf-8")) == []
