"""The house stays a house: import contracts, manifests, what may live in shared."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from shared.runtime.unit import TREE, Unit, all_units

UNITS = all_units()
CODES = {"intake", "cases-elderly", "cases-disability", "cases-children", "cases-poverty", "cases-center", "outreach", "notify"}


def test_there_are_eight_units_and_whoever_joined_is_a_domain() -> None:
    codes = {unit.code for unit in UNITS}
    assert codes >= CODES
    assert all(unit.welfare_domain for unit in UNITS if unit.code not in CODES)


def test_import_contracts_hold() -> None:
    done = subprocess.run([str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.code)
def test_a_manifest_says_where_it_stands_and_who_owns_it(unit: Unit) -> None:
    folder = TREE / Path(*unit.package.split("."))
    assert unit.root == folder
    assert unit.owners
    assert unit.contact
    assert (folder / "pyproject.toml").exists()
    assert (folder / "README.md").exists()
    assert (TREE / "deploy/units" / f"{unit.code}.env").exists()
    assert all((TREE / migrations / "versions").is_dir() for migrations in unit.migrations)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.code)
def test_what_a_unit_hears_is_said_by_someone(unit: Unit) -> None:
    for subscription in unit.consumes:
        assert any(subscription.channel in other.publishes for other in UNITS if subscription.covers(other.code)), subscription


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.code)
def test_what_a_unit_asks_is_served_by_whom_it_asks(unit: Unit) -> None:
    for asked in unit.asks:
        whom, name = asked.split(".")
        assert any(name in other.serves for other in UNITS if whom in ("*", other.code)), asked
        assert whom != "*" or all(name in other.serves for other in UNITS), f"{asked}: somebody does not serve it"


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_no_welfare_domain_is_named_in_shared_code() -> None:
    """A domain may be a value in a contract sample or a label, never something shared code decides by."""
    domains = {f"cases-{domain}" for domain in ("elderly", "disability", "children", "poverty")}
    found = []
    for path in (TREE / "shared").rglob("*.py"):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                found += [(path.name, n.value) for n in ast.walk(node) if isinstance(n, ast.Constant) and n.value in domains]
    assert found == []


def test_every_module_of_the_page_shell_and_runtime_serves_at_least_two_units() -> None:
    """What only one unit uses goes home to it. Modules used inside shared count for everyone who uses the user."""
    shared = {
        ".".join(p.relative_to(TREE).with_suffix("").parts): _imports(p) for p in (TREE / "shared").rglob("*.py") if "migrations" not in p.parts
    }
    users: dict[str, set[str]] = {}
    operators = {module for module in shared if module.startswith("shared.messaging.commands.")}  # for all units, imported by none
    for unit in UNITS:
        seen: set[str] = set()
        wanted = set(operators)
        wanted |= set().union(*(_imports(path) for path in unit.root.rglob("*.py")))
        if unit.code.startswith("cases-"):
            wanted |= set().union(*(_imports(path) for path in (TREE / "services/cases/casework").rglob("*.py")))
        while wanted - seen:
            module = (wanted - seen).pop()
            seen.add(module)
            wanted |= shared.get(module, set()) | shared.get(f"{module}.__init__", set())
        for module in seen:
            users.setdefault(module, set()).add(unit.code)
    tools = {
        "testing",
        "generate",
        "migrate",
        "row_security",
        "env",
        "assets",
        "provision",
        "permissions",
        "keeper",
        "__init__",
        "__main__",
        "conftest",
    }
    lonely = [m for m in shared if m.rsplit(".", 1)[-1] not in tools and not m.startswith("shared.contracts") and len(users.get(m, ())) < 2]
    assert lonely == []
