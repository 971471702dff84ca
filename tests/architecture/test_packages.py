"""Every unit is a package of its own: its wheel carries its pages and parameters, installs without its siblings, and starts alone."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from deploy.onebox.ports import free_port
from shared.runtime.testing import eventually
from shared.runtime.unit import TREE, Unit, all_units

UNITS = all_units()


@pytest.fixture(scope="session")
def wheel_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Builds the package that stands in a folder; each once per run."""
    out = tmp_path_factory.mktemp("wheels")
    built: dict[Path, Path] = {}

    def build(folder: Path) -> Path:
        if folder not in built:
            target = out / folder.name
            command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            built[folder] = next(target.glob("*.whl"))
        return built[folder]

    return build


def folders_of(unit: Unit) -> list[Path]:
    on_casework = [TREE / "services/cases/casework"] if unit.code.startswith("cases-") else []
    return [TREE / "shared", *on_casework, unit.root]


@pytest.fixture
def installed(tmp_path: Path, wheel_of: Callable[[Path], Path], request: pytest.FixtureRequest) -> Path:
    """A folder with the unit's wheels and nothing of its siblings."""
    for folder in folders_of(request.param):
        with zipfile.ZipFile(wheel_of(folder)) as wheel:
            wheel.extractall(tmp_path / "site")
    return tmp_path / "site"


def alone(site: Path, **environment: str) -> dict[str, str]:
    """-S in the command skips .pth files, so the checkout is out of sight; third-party packages come from this environment."""
    return (
        {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        | {"PYTHONPATH": f"{site}{os.pathsep}{sysconfig.get_paths()['purelib']}"}
        | environment
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.code)
def test_a_wheel_carries_everything_that_git_tracks_in_its_folder(unit: Unit, wheel_of: Callable[[Path], Path]) -> None:
    inside = {name for name in zipfile.ZipFile(wheel_of(unit.root)).namelist() if ".dist-info/" not in name}
    here = {
        path.relative_to(TREE).as_posix() for path in unit.root.rglob("*") if path.is_file() and path.suffix in {".py", ".html", ".toml", ".yaml"}
    }
    assert {name for name in here if not name.endswith("pyproject.toml")} <= inside
    assert all(name.startswith(unit.root.relative_to(TREE).as_posix()) for name in inside)


#: the other desks of a domain are the same program with another profile: theirs runs with the long ones
ALIKE = {"cases-children", "cases-disability", "cases-poverty"}
EACH = [pytest.param(unit, unit, id=unit.code, marks=[pytest.mark.slow] if unit.code in ALIKE else []) for unit in UNITS]


@pytest.mark.parametrize(("installed", "unit"), EACH, indirect=["installed"])
async def test_a_unit_starts_alone(installed: Path, unit: Unit, databases, own_nats, tmp_path: Path) -> None:
    database = await databases(unit.code)
    port = free_port()
    environment = alone(
        installed,
        PROFILE="test",
        DATABASE_URL=database.engine.url.render_as_string(hide_password=False),
        NATS_URL=own_nats.url,
        LISTEN_PORT=str(port),
        TICKET_KEYS="b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=",
    )
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen([sys.executable, "-S", "-m", unit.package], cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        async with httpx2.AsyncClient() as client:

            async def lives() -> bool:
                try:
                    return (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200
                except httpx2.HTTPError:
                    assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")[-2000:]
                    return False

            await eventually(lives, timeout=40)
            page = await client.get(f"http://127.0.0.1:{port}{unit.base}", headers={"accept": "text/html"})
            assert page.status_code in (303, 307)  # sign in first
    finally:
        process.terminate()
        assert process.wait(30) is not None
        log.close()
