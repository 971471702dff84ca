"""bootstrap.sh: what it says when something is missing, and that a second run costs nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.onebox.home import ROOT

OLD = "#!/bin/sh\nexit 1\n"
WITHOUT_VENV = f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec {os.path.realpath(sys.executable)} "$@"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "deploy" / "onebox").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "onebox" / "bootstrap.sh", tmp_path / "deploy" / "onebox")
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "dirname", "cksum", "cat", "id", "env", "printf", "mktemp", "rm", "awk", "chmod"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    return tmp_path


def bootstrap(checkout: Path) -> subprocess.CompletedProcess[str]:
    """With nothing on the PATH but the basic tools (and no apt-get, so that root is not helped either)."""
    return subprocess.run(
        ["/bin/sh", "deploy/onebox/bootstrap.sh"], cwd=checkout, env={"PATH": str(checkout / "bin")}, capture_output=True, text=True
    )


def script(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def test_an_old_python_is_named_together_with_the_way_out(checkout: Path) -> None:
    script(checkout / "bin" / "python3", OLD)
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert "Python 3.11 以上が見つかりません" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_debian_python_without_venv_names_the_package_to_ask_for(checkout: Path) -> None:
    script(checkout / "bin" / "python3", WITHOUT_VENV)
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert "apt-get install python3." in done.stderr
    assert "-venv" in done.stderr


def test_an_unchanged_lock_is_recognised_and_fetches_nothing(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    script(python, OLD)
    sum_ = subprocess.run(["cksum"], stdin=(checkout / "requirements.lock").open(), capture_output=True, text=True, check=True).stdout.strip()
    (checkout / ".venv" / ".lock-stamp").write_text(f"{sum_} {checkout}")
    assert bootstrap(checkout).returncode == 0, "nothing was fetched: the next step would find its Python too old"
    (checkout / "requirements.lock").write_text("changed")
    assert bootstrap(checkout).returncode == 1


def test_the_lock_names_no_index_and_hashes_everything() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert all(line.endswith("\\") and "==" in line for line in pinned)
    assert any(line.startswith("uv==") for line in pinned)
