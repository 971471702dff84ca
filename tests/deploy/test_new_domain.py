"""`make new-domain`: a team that starts gets a unit that loads, and nobody else's files change."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.onebox.home import ROOT
from deploy.onebox.new_domain import CannotCreate, create
from shared.runtime.unit import Unit

TITLE = "住まいの窓口"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    skip = shutil.ignore_patterns("__pycache__", "node_modules", "vendor")
    for folder in ("shared", "services", "deploy/units", "deploy/onebox"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_new_unit_is_a_domain_like_the_others(tree: Path) -> None:
    create("housing", TITLE, tree)
    unit = Unit.read(tree / "services/cases/housing/unit.toml")
    assert (unit.code, unit.title, unit.welfare_domain, unit.database, unit.base) == (
        "cases-housing",
        TITLE,
        "housing",
        "cases_housing",
        "/d/housing",
    )
    assert "KONKYU_9" not in unit.legal_basis
    assert "poverty" not in "".join(file.read_text() for file in (tree / "services/cases/housing").glob("*.*"))


def test_its_worker_and_web_part_can_be_imported(tree: Path) -> None:
    create("housing", TITLE, tree)
    code = "import services.cases.housing.app, services.cases.housing as unit; print(unit.PROFILE.unit, unit.__file__)"
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tree)!r}); {code}"], capture_output=True, text=True, cwd=tree)
    assert done.stdout.split() == ["cases-housing", str(tree / "services/cases/housing/__init__.py")], done.stderr


def test_the_import_contract_and_the_staff_know_it(tree: Path) -> None:
    create("housing", TITLE, tree)
    assert "| housing | center" in (tree / "pyproject.toml").read_text()
    staff = yaml.safe_load((tree / "deploy/onebox/staff.yaml").read_text())
    assert staff[-1]["domains"] == ["housing"]


@pytest.mark.parametrize(
    ("name", "title"), [("Housing", TITLE), ("h", TITLE), ("../x", TITLE), ("housing", ""), ("housing", 'a"b'), ("children", TITLE)]
)
def test_a_name_that_cannot_be_is_refused_before_anything_is_written(tree: Path, name: str, title: str) -> None:
    before = sorted(tree.rglob("*"))
    with pytest.raises(CannotCreate):
        create(name, title, tree)
    assert sorted(tree.rglob("*")) == before
