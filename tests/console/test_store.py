"""Spans in a real PostgreSQL: found by receipt, followed by links, forgotten by day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from deploy.console import store
from deploy.console.flow import FlowUnknown, NumberUnreadable, flows
from deploy.console.housekeeping import tidy
from deploy.console.parameters import retention_days
from deploy.console.receipt import receipt_no
from deploy.console.spans import Span
from shared.runtime.database import Database
from shared.runtime.settings import Settings
from tests.console.conftest import A, town

TODAY = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def at(spans: list[Span], moment: datetime = TODAY) -> list[Span]:
    base = int(moment.timestamp()) * 10**9
    return [replace(span, start_ns=span.start_ns + base, end_ns=span.end_ns + base) for span in spans]


async def keep(database: Database, spans: list[Span]) -> None:
    async with database.transaction() as tx:
        await store.keep(tx, spans)


async def test_a_flow_is_found_by_its_receipt_number_across_traces(console: Database) -> None:
    await keep(console, at(town()))
    async with console.read() as rd:
        for typed in ("R8-0001", "ｒ８－０００１ ", A):
            (fall,) = await flows(rd, typed)
            assert fall.services == ("intake", "notify")
            assert {span.key for row in fall.rows if (span := row.span)} <= {span.key for span in town()}


async def test_what_a_person_did_later_under_the_number_is_a_flow_of_its_own_and_looking_is_none(console: Database) -> None:
    first = at(town())
    later = [replace(span, trace_id="e" * 32) for span in at(town()[:1], TODAY + timedelta(hours=2))]
    looked = [replace(later[0], trace_id="f" * 32, attributes={"welfare.receipt_no": "R8-0001", "http.request.method": "GET"})]
    await keep(console, first + later + looked)
    async with console.read() as rd:
        assert [fall.trace_id for fall in await flows(rd, "R8-0001")] == [A, "e" * 32]


async def test_an_unknown_number_and_no_number_are_said_apart(console: Database) -> None:
    async with console.read() as rd:
        with pytest.raises(FlowUnknown):
            await flows(rd, "R8-9999")
        with pytest.raises(NumberUnreadable):
            await flows(rd, "高橋 文子")


async def test_spans_sent_twice_are_kept_once(console: Database) -> None:
    for _ in range(2):
        await keep(console, at(town()))
    async with console.read() as rd:
        assert len(await store.flow(rd, A)) == len(town())


async def test_days_past_the_retention_are_dropped_whole(console: Database) -> None:
    old, young = TODAY - timedelta(days=31), TODAY - timedelta(days=29)
    await keep(console, at(town(), old) + [replace(span, trace_id="e" * 32) for span in at(town()[:1], young)])
    settings = Settings(profile="test", database_url="postgresql://none")
    async with console.transaction(now=TODAY) as tx:
        await tidy(tx, settings)
        assert await store.days(tx) == {young.date(), TODAY.date(), TODAY.date() + timedelta(days=1)}
        assert await store.flow(tx, A) == {}
        assert len(await store.flow(tx, "e" * 32)) == 1


def test_the_city_may_keep_flows_for_another_time(tmp_path: Path) -> None:
    (tmp_path / "console.yaml").write_text("trace_retention_days:\n  - {value: 90, from: 2027-04-01, source: 市の規程}\n")
    assert retention_days(date(2026, 11, 23), tmp_path) == 30
    assert retention_days(date(2027, 4, 1), tmp_path) == 90


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("R8-0001", "R8-0001"), ("r8ー0001", "R8-0001"), ("Ｒ８−０００１", "R8-0001"), ("高橋", None), ("", None), ("R8-0001'--", None)],
)
def test_receipt_numbers_are_read_as_people_type_them(typed: str, meant: str | None) -> None:
    assert receipt_no(typed) == meant
