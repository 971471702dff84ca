"""`python -m deploy.city`: 名簿と正解を書き、窓口が動いていなければ次に何をするかを言う。"""

import json
import os
import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter

from deploy.city.town import Town
from services.intake.register_import import RegisteredHousehold

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONUTF8": "1", **environment}
    return subprocess.run([sys.executable, "-m", "deploy.city", *words], cwd=ROOT, env=given, capture_output=True, text=True, timeout=100)


def test_the_register_is_in_the_form_the_reception_reads(small: Town) -> None:
    written = run("people", "--households", "30", "--until", small.until.isoformat())
    given = TypeAdapter(RegisteredHousehold)
    households = [given.validate_json(line) for line in written.stdout.splitlines()]
    assert len(households) == 30
    assert len({household.register_no for household in households}) == 30


def test_the_truth_is_one_json_object_a_line(small: Town) -> None:
    written = run("truth", "--households", "300", "--until", small.until.isoformat())
    lines = [json.loads(line) for line in written.stdout.splitlines()]
    assert {line["rule"] for line in lines if line["kind"] == "alert" and line["current"]} >= {"R-101", "R-105", "R-502", "R-504", "R-907"}


def test_without_running_units_it_says_what_to_do(tmp_path: Path) -> None:
    refused = run("load", TSUNAGARI_HOME=str(tmp_path))
    assert refused.returncode == 1
    assert "make up" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_town_that_is_too_small_is_refused_in_a_sentence(small: Town) -> None:
    refused = run("people", "--households", "2", "--until", small.until.isoformat())
    assert refused.returncode == 1
    assert "世帯から" in refused.stderr
    assert "Traceback" not in refused.stderr
