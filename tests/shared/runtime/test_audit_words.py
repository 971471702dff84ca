"""Whoever writes an audit row writes it so that an auditor can read it: known words, and the households of every list."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts.event import LegalBasis
from shared.runtime import audit_words
from shared.runtime.auth import ROLE_LABELS
from shared.runtime.unit import TREE

FOLDERS = ("services", "deploy/console", "deploy/city", "shared/runtime")
WORDS = audit_words._words()


def calls() -> Iterator[tuple[Path, ast.Call]]:
    """Every `audit.record(handle, staff, action, kind, …)` and every `….audit(action, kind, …)` of the product."""
    for folder in FOLDERS:
        for path in sorted((TREE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "audit.record":
                    yield path, node


CALLS = list(calls())


def said(node: ast.expr | None) -> set[str]:
    """The strings an argument may be, as far as they stand there."""
    match node:
        case ast.Constant(value=str(value)):
            return {value}
        case ast.IfExp():
            return said(node.body) | said(node.orelse)
    return set()


def given(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def test_there_are_readings_to_look_at() -> None:
    assert len(CALLS) > 60


@pytest.mark.parametrize("vocabulary", ["actions", "kinds", "purposes"])
def test_every_code_that_is_written_has_a_word(vocabulary: str) -> None:
    at = {"actions": lambda call: call.args[2], "kinds": lambda call: call.args[3], "purposes": lambda call: given(call, "purpose")}[vocabulary]
    missing = {(path.name, code) for path, call in CALLS for code in said(at(call)) if code not in WORDS[vocabulary]}
    assert missing == set()


def test_every_list_and_every_search_says_which_households_it_showed() -> None:
    """Without them nobody finds out that a household was looked at in a list. `watch` of a stream says each message by itself."""
    exempt = {("routes_accounts.py", "account")}
    silent = {
        (path.name, *said(call.args[3]))
        for path, call in CALLS
        if said(call.args[2]) & {"list", "search"} and given(call, "households") is None
    }  # fmt: skip
    assert silent - exempt == set()


def test_what_was_returned_is_said_in_known_codes() -> None:
    codes = {
        code
        for _, call in CALLS
        if isinstance(shown := given(call, "returned"), ast.Tuple)
        for code in {constant for one in shown.elts for constant in said(one)}
    }
    assert codes
    assert codes <= set(WORDS["returned"])


def test_every_basis_and_role_has_a_word() -> None:
    assert {basis.value for basis in LegalBasis} == set(WORDS["bases"])
    assert audit_words.roles(["reception", "new_role"]) == f"{ROLE_LABELS['reception']}・new_role"
