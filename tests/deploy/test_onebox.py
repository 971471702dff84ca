"""The one box as people run it: `up`, `status`, `down`, and what it says when something is in the way."""

import errno
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from deploy.onebox.broker import EmbeddedNats
from deploy.onebox.home import ROOT, read_json
from deploy.onebox.postgres import EmbeddedPostgres
from deploy.onebox.program import wait_until
from deploy.onebox.trouble import explained

#: made by tests/conftest.py: a running box with `.run("status")`, `.status()`, `.home`, `.port`
AnyBox = Any


def onebox(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.onebox", *words], cwd=ROOT, env={**os.environ, "TSUNAGARI_HOME": str(home), **environment},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


# ── things in the way ─────────────────────────────────────────────
def test_a_taken_port_is_named_with_its_owner_and_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        done = onebox(tmp_path, "up", PORT=str(port))
    assert done.returncode == 1
    assert f"ポート {port} は別のプログラム" in done.stderr
    assert f"PORT={port + 1} make up" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_said_before_anything_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.onebox.home import Home
    from deploy.onebox.trouble import Trouble
    from deploy.onebox.up import Up

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))
    with pytest.raises(Trouble, match="ディスクの空きが足りません"):
        Up(Home(tmp_path), []).run()
    assert not (tmp_path / "wanted.json").exists()


def test_a_disk_that_fills_up_on_the_way_is_a_sentence_as_well() -> None:
    assert "ディスクの空きが足りません" in str(explained(OSError(errno.ENOSPC, "No space left on device", "/x")))
    assert "TSUNAGARI_HOME" in str(explained(PermissionError(errno.EACCES, "denied", "/x")))
    assert explained(OSError(errno.EPIPE, "broken pipe")) is None


def test_the_one_box_refuses_to_be_production(tmp_path: Path) -> None:
    assert "本番では使えません" in onebox(tmp_path, "up", PROFILE="production").stderr


def test_an_unknown_unit_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    done = onebox(tmp_path, "up", "--only", "cases-childern", PORT="0")
    assert "cases-childern というユニットはありません" in done.stderr
    assert "intake" in done.stderr


def test_status_and_logs_of_nothing_say_what_to_do(tmp_path: Path) -> None:
    assert "make up で始めてください" in onebox(tmp_path, "status").stdout
    assert "ログはありません" in onebox(tmp_path, "logs", "intake").stderr


# ── a running box ─────────────────────────────────────────────────
@pytest.mark.box
def test_everything_is_ready_as_a_process_of_its_own(box: AnyBox) -> None:
    status = box.status()
    names = {one["name"] for one in status["programs"]}
    assert status["up"], status
    assert {"postgres", "nats", "gateway", "issuer", "intake", "cases-children", "cases-center", "notify", "outreach"} <= names
    assert len({one["pid"] for one in status["programs"]}) == len(status["programs"])


@pytest.mark.box
def test_all_together_stay_below_two_and_a_half_gigabytes(box: AnyBox) -> None:
    assert box.status()["rss_mb"] < 2500


@pytest.mark.box
def test_a_second_up_leaves_running_processes_alone(box: AnyBox) -> None:
    before = pids(box)
    box.run("up")
    assert pids(box) == before


@pytest.mark.box
def test_a_unit_killed_with_minus_9_is_ready_again_soon(box: AnyBox) -> None:
    before = pids(box)["intake"]
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: (now := one(box, "intake"))["ready"] and now["pid"] != before, 40, pause=0.5)
    assert one(box, "intake")["restarts"] >= 1


@pytest.mark.slow
@pytest.mark.box
@pytest.mark.timeout(300)
async def test_data_survives_down_and_up_and_a_killed_supervisor(box: AnyBox) -> None:
    await remember(box, "first")
    box.run("down")
    assert not box.status()["supervised"]
    box.run("up")
    assert await remembered(box) == "first"
    os.kill(read_json(box.home / "processes.json")["supervisor"], signal.SIGKILL)
    assert wait_until(lambda: not box.status()["supervised"], 20)
    box.run("up")
    assert box.status()["up"]
    assert await remembered(box) == "first"


@pytest.mark.box
def test_no_secret_is_readable_by_others_and_none_is_in_the_logs(box: AnyBox) -> None:
    secrets = read_json(box.home / "secrets.json").values()
    private = [box.home / name for name in ("secrets.json", "wanted.json", "box.json", "issuer-key.pem", "nats/nats.conf")]
    assert all(file.stat().st_mode & 0o077 == 0 for file in private)
    logs = "".join(file.read_text(errors="replace") for file in (box.home / "logs").glob("*.log"))
    assert not [secret for secret in secrets if secret in logs]


@pytest.mark.box
def test_only_the_loopback_is_listened_on(box: AnyBox) -> None:
    own = {pid for one in box.status()["programs"] for pid in family(one["pid"])}
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid in own}
    assert listening <= {"127.0.0.1", "::1"}


def pids(box: AnyBox) -> dict[str, int]:
    return {one["name"]: one["pid"] for one in box.status()["programs"]}


def one(box: AnyBox, name: str) -> dict[str, Any]:
    return next(one for one in box.status()["programs"] if one["name"] == name)


def family(pid: int) -> set[int]:
    return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}


async def remember(box: AnyBox, word: str) -> None:
    connection = await asyncpg.connect(dsn(box))
    await connection.execute(f"CREATE TABLE IF NOT EXISTS kept_by_test AS SELECT '{word}' AS word")
    await connection.close()


async def remembered(box: AnyBox) -> str:
    connection = await asyncpg.connect(dsn(box))
    word: str = await connection.fetchval("SELECT word FROM kept_by_test")
    await connection.close()
    return word


def dsn(box: AnyBox) -> str:
    return str(read_json(box.home / "box.json")["databases"]["intake"]).replace("+asyncpg", "")


# ── half-finished first starts, and no root ───────────────────────
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [0.8, 2.0, 4.0, 7.0])
def test_a_first_start_killed_half_way_is_finished_by_the_next(seconds: float, a_folder: Path) -> None:
    environment = {**os.environ, "TSUNAGARI_HOME": str(a_folder), "PORT": free(), "TSUNAGARI_HOUSEHOLDS": "0"}
    first = subprocess.Popen([sys.executable, "-m", "deploy.onebox", "up"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    time.sleep(seconds)  # the moment of the kill is the point of this test
    first.kill()
    first.wait()
    try:
        done = onebox(a_folder, "up", PORT=environment["PORT"], TSUNAGARI_HOUSEHOLDS="0")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        onebox(a_folder, "down")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_given_servers_take_the_place_of_the_embedded_ones(a_folder: Path, own_postgres: EmbeddedPostgres, own_nats: EmbeddedNats) -> None:
    given = {"PORT": free(), "TSUNAGARI_HOUSEHOLDS": "0", "DATABASE_URL": own_postgres.url(), "NATS_URL": own_nats.url}
    try:
        done = onebox(a_folder, "up", **given)
        assert done.returncode == 0, done.stdout + done.stderr
        names = {one["name"] for one in json.loads(onebox(a_folder, "status", "--json").stdout)["programs"]}
        assert {"intake", "notify", "gateway"} <= names
        assert not names & {"postgres", "nats"}
    finally:
        onebox(a_folder, "down")


def test_the_accounts_for_a_given_broker_can_be_written_out(tmp_path: Path) -> None:
    text = onebox(tmp_path, "accounts").stdout
    assert read_json(tmp_path / "secrets.json")["nats:intake"] in text
    assert "provisioner" in text


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else; as somebody else every other test is this test")
@pytest.mark.timeout(600)
def test_a_clean_checkout_comes_up_for_somebody_without_any_rights(a_folder: Path, throw_away_user: pwd.struct_passwd) -> None:
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(f"tar --null -T - -cf - | tar -xf - -C {a_folder}", input=files, cwd=ROOT, shell=True, check=True)
    subprocess.run(["chown", "-R", f"{throw_away_user.pw_uid}:{throw_away_user.pw_gid}", a_folder], check=True)
    passed = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")) or name.endswith(("_proxy", "_PROXY", "CERT_FILE"))
    }
    environment = {**passed, "PATH": "/usr/bin:/bin", "HOME": str(a_folder), "PORT": free(), "TSUNAGARI_HOUSEHOLDS": "0"}

    def make(target: str) -> subprocess.CompletedProcess[str]:
        identity: dict[str, Any] = {"user": throw_away_user.pw_uid, "group": throw_away_user.pw_gid, "extra_groups": []}
        return subprocess.run(["make", target], cwd=a_folder, env=environment, capture_output=True, text=True, timeout=500, **identity)

    try:
        done = make("up")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert f"http://localhost:{environment['PORT']}" in done.stdout
    finally:
        make("down")


def free() -> str:
    from deploy.onebox.ports import free_port

    return str(free_port())


@pytest.fixture
def a_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tsunagari-box-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def throw_away_user() -> Iterator[pwd.struct_passwd]:
    name = f"tsu-test-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/usr/sbin/nologin", name], check=True)
    yield pwd.getpwnam(name)
    subprocess.run(["userdel", name], check=False)


@pytest.mark.box
def test_picking_a_person_opens_the_desk_on_one_origin(box: AnyBox) -> None:
    import httpx2

    with httpx2.Client(base_url=box.url, follow_redirects=True, timeout=20, headers={"Accept": "text/html"}, trust_env=False) as browser:
        page = browser.get("/intake/")
        assert "誰として入りますか" in page.text
        assert page.url.path == "/oidc/oauth2/authorize"
        desk = browser.post(str(page.url), data={"sub": "uketsuke-1"})
        ticket = next(answer.headers["set-cookie"] for answer in desk.history if "__Host-desk=" in answer.headers.get("set-cookie", ""))
        # httpx2 keeps Secure cookies from plain http, which browsers do not on localhost.
        desk = browser.get("/intake/", headers={"Cookie": ticket.split(";")[0]})
    assert (desk.status_code, desk.url.path) == (200, "/intake/")
    assert "見本 はな" in desk.text
