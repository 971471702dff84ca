"""`make trace RECEIPT=…`: the flow as text, or a sentence that says what to do."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.console.__main__ import app
from shared.runtime.database import Database
from tests.console.conftest import A, town
from tests.console.test_store import at, keep


@pytest.fixture
async def url(console: Database) -> str:
    await keep(console, at(town(), datetime.now(UTC)))
    return console.engine.url.render_as_string(hide_password=False)


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["trace", *words], env={"TSUNAGARI_HOME": "/nowhere", "DATABASE_URL": None, **environment})


def test_the_flow_is_printed_with_its_waits(url: str) -> None:
    done = run("R8-0001", "--database-url", url)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    for word in ("POST /intake/consultations", "… 送信待ち（アウトボックス）", "alert shown", A, "intake → notify"):
        assert any(word in line for line in lines)
    wait = next(line for line in lines if "知らせてから画面に出るまで" in line)
    assert "15.0 ms" in wait
    assert "░" in wait


def test_scripts_get_the_same_as_json(url: str) -> None:
    (flow,) = json.loads(run("R8-0001", "--json", "--database-url", url).stdout)["flows"]
    assert flow["services"] == ["intake", "notify"]
    assert flow["waits_ns"]["outbox"] == 3_000_000


def test_an_unknown_receipt_is_said_in_a_sentence(url: str) -> None:
    done = run("R8-9999", "--wait", "0", "--database-url", url)
    assert done.exit_code == 1
    assert "R8-9999: この番号の記録は届いていません" in done.stderr


def test_the_database_is_found_in_the_one_boxs_own_notes(url: str, tmp_path: Path) -> None:
    (tmp_path / "box.json").write_text(json.dumps({"databases": {"console": url}}))
    assert run("R8-0001", TSUNAGARI_HOME=str(tmp_path)).exit_code == 0


def test_without_a_database_the_way_out_is_said() -> None:
    done = run("R8-0001")
    assert done.exit_code == 2
    assert "make up" in done.stderr


def test_a_database_that_is_down_is_said() -> None:
    done = run("R8-0001", "--database-url", "postgresql+asyncpg://x:y@127.0.0.1:9/z")
    assert done.exit_code == 2
    assert "つながりません" in done.stderr
