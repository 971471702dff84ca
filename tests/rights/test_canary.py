"""A person goes through every flow of every desk; then no word of theirs is anywhere but where it is declared to be.

The scan looks at events, the broker's files, the wire, logs, spans, metrics, addresses, headers, refusals and every cell of every table.
"""

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from services.intake import reception, routes_new, sheet_form
from shared.messaging import outbox
from shared.runtime import audit, health, telemetry
from shared.runtime.problems import NotFound
from tests.rights.canary_clues import MAIN, PLANTED, Finding, Piece, Scanner
from tests.rights.canary_journey import CENTER, RECEPTION, Journey
from tests.rights.canary_town import Watched, watched

__all__ = ["watched"]
pytestmark = pytest.mark.timeout(600)

_COPY = "氏名の写し: つなぎの開示で受け取り、根拠がなくなれば消す"
_TOLD = "つなぎの開示で受け取った住所と相談内容。根拠がなくなれば消す"
IDENTITY, ADDRESS = ("name", "kana", "birth", "phone"), ("address", "consultation_text")
#: where words of a person may stand, and why. Everything else is a leak; a place that never holds any is taken off this list by a test.
DECLARED: dict[str, str] = {
    **{f"intake.household.{column}": "世帯の台帳: 住所と、さがすための形" for column in ("town", "town_key")},
    **{f"intake.member.{column}": "世帯の台帳: 身元" for column in ("name", "kana", "birth", "phone")},
    **{f"intake.member.{column}": "世帯の台帳: さがすための形" for column in ("kana_key", "kanji_key", "phone_key")},
    **{f"intake.member.{column}": "世帯の台帳: さがすための形" for column in ("family_kana_key", "family_kanji_key")},
    **{f"intake.consultation.{column}": "相談受付票" for column in ("text", "visitor_name", "visitor_relation", "visitor_phone")},
    "intake.consultation.withdrawn_note": "取り消した事情",
    "intake.consultation_history.text": "訂正される前の相談内容",
    "intake.consent_scan.content": "同意書の写し: 署名のある紙",
    "intake.draft.content": "書きかけの受付票。本人だけが見て、日がたてば消える",
    "intake.protection_note.send_to": "保護: 送り先",
    "intake.protection_note.note": "保護: 事情",
    "intake.glass_request.note": "緊急閲覧の事情",
    **{f"{desk}.identity.{column}": _COPY for desk in ("cases-elderly", "cases-poverty", "cases-center", "outreach") for column in IDENTITY},
    **{f"{desk}.disclosure.{column}": _TOLD for desk in ("cases-elderly", "cases-poverty", "cases-center", "outreach") for column in ADDRESS},
    **{f"cases-elderly.note.{column}": "支援経過" for column in ("partner", "shared", "private", "next_action")},
    "cases-elderly.case_file.next_action": "支援経過から写した、次にすること",
    "cases-elderly.fact.evidence": "事実の確かめ方",
    "cases-elderly.fact.harm_note": "知らせても、おそれがないと考えたわけ",
    "cases-elderly.approval.entry": "承認を求めた提供: 打たれたまま（確かめ方、おそれがないわけ）",
    "cases-elderly.approval.why_not_asked": "承認を求めた提供: 同意を得られないわけ",
    "cases-elderly.approval.words": "承認しないときの一言",
    "outreach.check_in.memo": "安否確認の覚え",
    "outreach.watch.end_reason": "見守りを終えた理由",
}
#: every place that is looked at → what must be seen there, so that no scan passes because it looked at nothing
PLACES = {
    "event": "{household}",
    "stream file": "{household}",
    "wire": "{household}",
    "table": "{household}",
    "url": "{household}",
    "answer header": "{household}",
    "answer": "この操作はできません",
    "log": "INSERT INTO consultation",
    "handed to the log": "unexpected",
    "span": "POST /intake/new",
    "metric": "tsunagari_",
}


@dataclass
class Scan:
    journey: Journey
    watched: Watched
    pieces: list[Piece]
    findings: list[Finding]
    tables: dict[str, set[str]]


@pytest.fixture(scope="module")
async def scan(watched: Watched) -> Scan:
    journey, scanner = Journey(watched.town, MAIN), Scanner(MAIN)
    tables = {}
    await journey.consulted("cases-elderly", "cases-poverty", "cases-center", "outreach")
    for desk in ("cases-elderly", "cases-poverty", "cases-center", "outreach"):
        await journey.told(desk)
    await journey.mistaken_at_the_reception()
    tables["told"] = _cells(scanner.find(await watched.rows()))
    await journey.looked_up()
    await journey.corrected()
    await journey.signed()
    tables["signed"] = _cells(scanner.find(await watched.rows()))
    case = await journey.worked_at_the_desk()
    await journey.approved(case)
    await journey.declined_at_another_desk()
    await journey.at_the_center()
    watch = await journey.watched()
    await journey.at_the_inbox()
    await journey.household_corrected()
    await journey.guarded()
    tables["guarded"] = _cells(scanner.find(await watched.rows()))
    await journey.typed_into_addresses()
    await journey.refused()
    await _without_tables(watched, journey)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet_form.Reader, "written", _broken)
        await journey.failed(500)
    await journey.watch_ended(watch)
    await journey.closed(case)
    await journey.withdrawn()
    await journey.audited()
    pieces = await watched.pieces(journey.seen)
    findings = scanner.find(pieces)
    tables["end"] = _cells(findings)
    return Scan(journey, watched, pieces, findings, tables)


def _cells(findings: list[Finding]) -> set[str]:
    return {one.where for one in findings if one.place == "table"}


def _broken(reader: sheet_form.Reader, name: str, _how: Any) -> str:
    raise RuntimeError(f"cannot read {reader.typed.one(name)} of {reader.typed}")


async def _without_tables(watched: Watched, journey: Journey) -> None:
    """The database says no in the middle of a statement that carries a person."""
    connection = await asyncpg.connect(next(one.dsn for one in watched.tables if one.unit == "intake"))
    try:
        for table in ("consultation", "draft", "member"):
            await connection.execute(f"alter table {table} rename to {table}_away")
        await journey.failed(503)
        for table in ("consultation", "draft", "member"):
            await connection.execute(f"alter table {table}_away rename to {table}")
    finally:
        await connection.close()


@pytest.mark.parametrize("place", PLACES)
def test_no_word_of_the_person_is_written_where_it_is_not_declared(scan: Scan, place: str) -> None:
    undeclared = [one for one in scan.findings if one.place == place and not (place == "table" and one.where in DECLARED)]
    assert undeclared == []


@pytest.mark.parametrize(("place", "control"), PLACES.items())
def test_the_scan_saw_what_is_there(scan: Scan, place: str, control: str) -> None:
    expected = control.format(household=scan.journey.household)
    writings = {expected.encode(), expected.replace("-", "").encode(), expected.upper().encode()}
    assert any(word in piece.data or word in piece.data.upper() for piece in scan.pieces if piece.place == place for word in writings)


def test_nothing_was_found_in_a_kind_of_place_that_nobody_lists(scan: Scan) -> None:
    assert {piece.place for piece in scan.pieces} == set(PLACES)


def test_every_declared_column_holds_a_word_of_the_person_at_some_time(scan: Scan) -> None:
    """Or the journey did not get there, or the list has grown stale."""
    assert set(DECLARED) - set.union(*scan.tables.values()) == set()


def test_no_snapshot_of_the_tables_on_the_way_holds_more_than_the_end(scan: Scan) -> None:
    assert set.union(*scan.tables.values()) - set(DECLARED) == set()


def test_a_desk_that_declined_and_a_watch_that_ended_keep_no_name(scan: Scan) -> None:
    assert {cell for cell in scan.tables["end"] if cell.startswith(("cases-poverty.", "outreach.identity."))} == set()


def test_the_names_did_go_over_the_wire_as_answers_to_desks_that_asked(scan: Scan) -> None:
    assert any(MAIN.family.encode() in reply for reply in scan.watched.tap.replies)


def test_the_desks_answers_to_the_auditor_were_heard_on_the_wire(scan: Scan) -> None:
    assert any(b'"object_kind":"case"' in piece.data and piece.where.startswith("_INBOX") for piece in scan.pieces if piece.place == "wire")


async def test_a_leak_anywhere_makes_the_scan_fail(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same town with eleven leaks planted, each with a clue of its own: each is found, in its place."""
    journey = Journey(watched.town, PLANTED)
    _plant(monkeypatch)
    await journey.consulted()
    answer = await journey.post("intake", "/intake/new", RECEPTION, journey.sheet(then="close"))
    await journey.get("intake", answer.headers["location"], RECEPTION)
    await journey.get("notify", "/inbox/nowhere", CENTER, {404})
    found = Scanner(PLANTED).find(await watched.pieces(journey.seen))
    found = [one for one in found if one.where not in DECLARED]
    assert {(one.place, one.clue) for one in found} >= {
        ("event", "family kana"),
        ("stream file", "family kana"),
        ("wire", "family kana"),
        ("log", "phone"),
        ("handed to the log", "family name"),
        ("span", "visitor's phone"),
        ("metric", "town"),
        ("url", "given kana"),
        ("answer header", "given kana"),
        ("answer", "free text"),
    }
    assert {(one.where, one.clue) for one in found if one.place == "table"} == {
        ("intake.outbox.headers", "family kana"),
        ("intake.audit.purpose", "visitor"),
    }


def _plant(patch: pytest.MonkeyPatch) -> None:
    encode, take, record, exposition, redirect = outbox.encode, reception.take, audit.record, health.exposition, routes_new.redirect

    async def leaky_take(*given: Any, **more: Any) -> Any:
        telemetry.log.info("taken", who=PLANTED.family)
        logging.getLogger("somebody.else").info(f"taken {PLANTED.phone}")
        telemetry.annotate(receipt_no=PLANTED.visitor_phone)
        return await take(*given, **more)

    async def leaky_record(*given: Any, **more: Any) -> None:
        await record(*given, **more | {"purpose": PLANTED.visitor})

    patch.setattr(outbox, "encode", lambda *given, **more: encode(*given, **more) | {"x-name": quote(PLANTED.family_kana)})
    patch.setattr(reception, "take", leaky_take)
    patch.setattr(audit, "record", leaky_record)
    patch.setattr(health, "exposition", lambda *given: exposition(*given) + f"# {PLANTED.town}\n".encode())
    patch.setattr(routes_new, "redirect", lambda request, url: redirect(request, f"{url}?name={quote(PLANTED.given_kana)}"))
    patch.setattr(NotFound, "sentence", PLANTED.sentence("頁はない"))
