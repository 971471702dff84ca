"""The search for planted people finds them in every spelling, also across the border of two pieces."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults import markers


@pytest.mark.parametrize("spelling", [str, json.dumps, quote])
@pytest.mark.parametrize("text", markers.PERSON.values())
def test_a_planted_person_is_found(tmp_path: Path, text: str, spelling) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "1.blk").write_bytes(b"\x00\xff" * 40 + spelling(text).encode() + b"\x00")
    (tmp_path / "2.blk").write_bytes(b"R8-0001")
    assert [path.name for path in markers.leaking_files([tmp_path])] == ["1.blk"]


def test_a_person_on_the_border_of_two_pieces_is_found(tmp_path: Path) -> None:
    name = markers.PERSON["name"].encode()
    for shift in range(1, len(name)):
        (tmp_path / "stream").write_bytes(b"x" * (400 - shift) + name + b"x" * 400)
        assert markers._leaks(tmp_path / "stream", piece=400), shift
