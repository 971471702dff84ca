"""The scanner of the canary finds what it should: one planted leak per clue, per writing, per alignment; and nothing where nothing is."""

import base64
import json
from urllib.parse import quote, urlencode

import pytest

from shared.contracts.event import CATALOGUE
from shared.runtime.unit import TREE
from tests.rights.canary_clues import MAIN, PLANTED, Piece, Scanner

SCANNER = Scanner(MAIN)
SAID = {
    "氏名": MAIN.name,
    "氏名、空白なし": MAIN.family + MAIN.given,
    "氏名、全角の空白": f"{MAIN.family}\u3000{MAIN.given}",
    "姓だけ": f"{MAIN.family}さん",
    "名だけ": f"母（{MAIN.given}）",
    "カナ": MAIN.kana,
    "カナ、空白なし": MAIN.family_kana + MAIN.given_kana,
    "さがすための形": "キララサカトキオ",
    "半角カナ": "ｷﾗﾗｻﾞｶ ﾄｷｦ",
    "ひらがな": "きららざか ときを",
    "ところ": f"{MAIN.town}9001番地",
    "電話": MAIN.phone,
    "電話、数字だけ": "0000731946",
    "電話、全角": "００００－７３－１９４６",
    "電話、国番号": "+81-000-73-1946",
    "生年月日": "1938-11-23",
    "生年月日、続けて": "19381123",
    "生年月日、斜線": "1938/11/23",
    "生年月日、時刻つき": "1938-11-23T00:00:00Z",
    "和暦": "昭和13年11月23日",
    "和暦、略": "S13.11.23",
    "和暦、全角": "Ｓ１３．１１．２３",
    "自由文": MAIN.sentence("話"),
    "自由文、途中まで": MAIN.sentence("話")[:6],
    "来た人": f"{MAIN.visitor} 洋",
    "来た人の電話": MAIN.visitor_phone,
}
WRITINGS = {
    "utf-8": str.encode,
    "json": lambda text: json.dumps({"a": text}, ensure_ascii=False).encode(),
    "json, ascii": lambda text: json.dumps({"a": text}).encode(),
    "json, 大文字": lambda text: json.dumps(text).upper().replace("\\U", "\\u").encode(),
    "percent": lambda text: quote(text, safe="").encode(),
    "percent, 小文字": lambda text: quote(text).lower().encode(),
    "form": lambda text: urlencode({"name": text}).encode(),
    "html": lambda text: "".join(f"&#{ord(c)};" for c in text).encode(),
    "sql": lambda text: f"'{text}'".encode(),
    "bytea": lambda text: b"\\x" + text.encode().hex().encode(),
    "shift_jis": lambda text: text.encode("cp932"),
    **{f"base64 +{n}": lambda text, n=n: base64.b64encode(b"x" * n + text.encode() + b"yz") for n in range(3)},
    **{f"base64url +{n}": lambda text, n=n: base64.urlsafe_b64encode(b"x" * n + text.encode() + b"yz") for n in range(3)},
    **{f"base64 of json +{n}": lambda text, n=n: base64.b64encode(b"x" * n + json.dumps(text).encode()) for n in range(3)},
}


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_leak_is_found_in_every_writing(writing: str) -> None:
    for said, text in SAID.items():
        written = b"before " + WRITINGS[writing](text) + b" after"
        assert SCANNER.find([Piece("event", "here", b"nothing"), Piece("log", "there", written)]), (said, written)


def test_a_finding_names_the_place_the_clue_and_the_writing() -> None:
    (one,) = SCANNER.find([Piece("log", "line 7", b"ok"), Piece("table", "intake.audit", quote(MAIN.town).encode())])
    assert (one.place, one.where, one.clue, one.variant) == ("table", "intake.audit", "town", "蜃気楼町 as percent")


def test_equal_data_counts_once_in_a_kind_of_place_and_for_each_column_of_a_table() -> None:
    data = MAIN.phone.encode()
    found = SCANNER.find(
        [Piece(place, where, data) for place, where in (("log", "1"), ("log", "2"), ("url", "3"), ("table", "a.x"), ("table", "a.y"))]
    )
    assert sorted(one.place for one in found) == ["log", "table", "table", "url"]
    assert {one.where for one in found if one.place == "table"} == {"a.x", "a.y"}


def test_a_clue_is_not_put_together_from_two_pieces() -> None:
    whole = MAIN.phone.encode()
    assert SCANNER.find([Piece("log", "1", whole[:6]), Piece("log", "2", whole[6:])]) == []


def test_what_may_be_said_is_no_clue() -> None:
    """A month of birth, an area, a receipt number and ids go out in events by contract."""
    allowed = b'{"birth_month":"1938-11","area":"SHUZENJI","receipt_no":"R8-0001","household_id":"0193811-2","since":"2011-04"}'
    assert SCANNER.find([Piece("event", "", allowed), Piece("log", "", f"{PLANTED.name} {PLANTED.phone}".encode())]) == []


def test_nothing_the_project_itself_writes_looks_like_the_canary() -> None:
    """Or the scan would cry wolf: the samples of every event, the code lists, the pages."""
    assert CATALOGUE
    files = [path for folder in ("shared", "services") for kind in ("json", "yaml", "html", "js") for path in (TREE / folder).rglob(f"*.{kind}")]
    assert len(files) > 100
    pieces = [Piece("file", str(path), path.read_bytes()) for path in files if "vendor" not in path.parts]
    assert SCANNER.find(pieces) == []
    assert Scanner(PLANTED).find(pieces) == []
