"""The front-end files are what the lock says they are, and nothing else gets in."""

import base64
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from shared.desk import assets
from shared.desk.assets import HERE, PACKAGES, AssetsFailed, Lock, Package
from shared.desk.files import STATIC

OURS = ("away.js", "desk.js", "ime.js", "shortcuts.js")


def test_the_lock_pins_every_package_by_sha512_and_names_no_server() -> None:
    lock, asked = Lock(), json.loads((HERE / "package.json").read_text())
    wanted = asked["dependencies"] | asked["devDependencies"]
    assert set(lock.packages) == set(wanted) == {package.name for package in PACKAGES}
    for name, version in wanted.items():
        assert lock.packages[name]["version"] == version
        assert len(lock.digest(name)) == 64
    assert "resolved" not in lock.path.read_text()


class Shelf:
    """A package as npm's cache holds it: a tarball filed under its own hash."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self.folder, self.into = folder, folder / "vendor"
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"package/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self.tarball = buffer.getvalue()
        digest = hashlib.sha512(self.tarball)
        entry = {"version": "1.0.0", "license": "MIT", "integrity": "sha512-" + base64.b64encode(digest.digest()).decode()}
        (folder / "package-lock.json").write_text(json.dumps({"packages": {"": {}, "node_modules/@a/b": entry}}))
        self.lock, self.package = Lock(folder / "package-lock.json"), Package("@a/b", {"dist/x.js": "x.js"})
        name = digest.hexdigest()
        self.filed = folder / "_cacache" / "content-v2" / "sha512" / name[:2] / name[2:4] / name[4:]
        self.filed.parent.mkdir(parents=True)
        self.filed.write_bytes(self.tarball)

    def take(self) -> None:
        assets._take(self.package, self.lock, self.folder, self.into)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, {"dist/x.js": b"let x", "LICENSE": b"MIT", "dist/other.js": b"not wanted"})


def test_only_the_listed_files_and_the_licence_are_taken(shelf: Shelf) -> None:
    shelf.take()
    assert {path.name for path in shelf.into.iterdir()} == {"x.js", "LICENSE-a-b", "vendor.json"}
    listed = json.loads((shelf.into / "vendor.json").read_text())["@a/b"]
    assert (listed["version"], listed["license"]) == ("1.0.0", "MIT")
    assert listed["files"]["x.js"] == hashlib.sha512(b"let x").hexdigest()


def test_a_package_that_is_not_the_locked_one_is_refused(shelf: Shelf) -> None:
    shelf.filed.write_bytes(shelf.tarball + b"more")
    with pytest.raises(AssetsFailed, match="SHA-512"):
        shelf.take()
    assert not shelf.into.exists()


def test_a_changed_file_and_a_changed_lock_are_noticed(shelf: Shelf) -> None:
    shelf.take()
    assert assets._in_place(shelf.package, shelf.lock, shelf.into)
    (shelf.into / "x.js").write_bytes(b"let y")
    assert not assets._in_place(shelf.package, shelf.lock, shelf.into)
    shelf.take()
    shelf.lock.packages["@a/b"]["integrity"] = "sha512-" + base64.b64encode(bytes(64)).decode()
    assert not assets._in_place(shelf.package, shelf.lock, shelf.into)


def test_a_weaker_hash_in_the_lock_is_refused(shelf: Shelf) -> None:
    shelf.lock.packages["@a/b"]["integrity"] = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    with pytest.raises(AssetsFailed, match="only sha512"):
        shelf.take()


def test_where_node_is_missing_npm_comes_from_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    done = subprocess.run([*assets.npm_command(), "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout.split(".")[0]) >= 10


def test_the_scripts_of_a_page_keep_to_their_budget() -> None:
    ours = sum((STATIC / name).stat().st_size for name in OURS)
    assert {path.name for path in STATIC.glob("*.js")} == set(OURS)
    assert ours <= 17.5 * 1024  # 14, the countdown of a break-glass and the locked screen
    assets.install(tell=lambda line: None)
    theirs = sum((STATIC / "vendor" / name).stat().st_size for name in ("htmx.min.js", "hx-sse.min.js"))
    assert ours + theirs <= 60 * 1024
