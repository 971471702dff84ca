"""What is told to which process."""

import socket
import threading
from pathlib import Path

import pytest

from deploy.onebox import ports
from deploy.onebox.home import ROOT, Home, read_json
from deploy.onebox.layout import Layout, chosen_units, known_units, unit_settings
from deploy.onebox.program import is_ready

SECRET_NAMES = ("DATABASE_URL", "NATS_URL", "TICKET_KEYS", "OIDC_CLIENT_SECRET", "PASSWORD")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    home = Home(tmp_path / "home")
    home.create()
    return Layout(
        home, 8080, known_units(), known_units(), database_url="postgresql://dba:pw@db.city:5433/postgres?ssl=require", nats_url="nats://h:4222"
    )


def test_every_unit_has_its_committed_settings_and_they_hold_no_secret() -> None:
    for unit in known_units():
        settings = unit_settings(unit)
        assert settings.get("ROLES"), f"deploy/units/{unit.code}.env"
        assert not set(settings) & set(SECRET_NAMES)


def test_no_settings_file_belongs_to_nobody() -> None:
    assert {file.stem for file in (ROOT / "deploy/units").glob("*.env")} <= {unit.code for unit in known_units()} | {"outreach"}


def test_each_unit_gets_its_own_database_password_and_the_same_ticket_key(layout: Layout) -> None:
    told = {unit.code: layout.environment(unit) for unit in layout.units}
    assert len({one["DATABASE_URL"] for one in told.values()}) == len(told)
    assert len({one["TICKET_KEYS"] for one in told.values()}) == 1
    assert told["intake"]["DATABASE_URL"].startswith("postgresql+asyncpg://intake:")
    assert told["intake"]["DATABASE_URL"].endswith("@db.city:5433/intake?ssl=require")


def test_what_the_caller_has_in_the_environment_does_not_leak_into_the_units(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin:mine@h/postgres")
    assert "mine" not in " ".join(layout.environment(layout.units[0]).values())


def test_running_one_unit_brings_the_sign_in_along(layout: Layout) -> None:
    assert {unit.code for unit in chosen_units(["cases-children"])} == {"cases-children", "intake"}


def test_a_given_broker_is_entered_as_told_unless_its_accounts_are_managed(layout: Layout) -> None:
    assert layout.broker_url("intake") == "nats://h:4222"
    layout.nats_accounts_managed = True
    assert layout.broker_url("intake").startswith("nats://intake:")


def test_changed_code_changes_the_fingerprint_of_whoever_runs_it(layout: Layout, tmp_path: Path) -> None:
    (mine := tmp_path / "mine").mkdir()
    (theirs := tmp_path / "theirs").mkdir()
    (mine / "rules.py").write_text("A = 1")
    before = layout.code([mine]), layout.code([theirs])
    (mine / "new.py").write_text("B = 2")
    again = Layout(layout.home, 8080, [], [])
    assert again.code([mine]) != before[0]
    assert again.code([theirs]) == before[1]


def test_ports_and_secrets_are_the_same_at_the_next_start(layout: Layout) -> None:
    port, secret = layout.internal("intake"), layout.home.secret("database:intake")
    again = Layout(Home(layout.home.path), 8080, [], [])
    assert (again.internal("intake"), again.home.secret("database:intake")) == (port, secret)
    assert read_json(layout.home.path / "ports.json")["intake"] == port


def test_a_port_that_is_promised_to_the_entrance_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway listens last: until then its port looks free (a broker took it, once in some hundred first starts)."""
    home = Home(tmp_path / "home")
    home.create()
    entrance = ports.free_port()
    home.remember("port", str(entrance), "8080")
    monkeypatch.setattr(ports, "LOWEST", entrance)
    monkeypatch.setattr(ports, "HIGHEST", entrance)
    with pytest.raises(RuntimeError, match="No free loopback port"):
        home.port("nats", keep=False)


def test_somebody_who_speaks_no_http_is_not_ready() -> None:
    def greet() -> None:
        with door.accept()[0] as guest:
            guest.sendall(b'INFO {"server_id":"N"} \r\n')

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=greet, daemon=True).start()
        assert not is_ready(f"http://127.0.0.1:{door.getsockname()[1]}/readyz")
