"""閲覧の記録をまとめる純粋な部分: 時の順、答えない窓口、続き、漏えい等の報告の期限。"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from starlette.datastructures import FormData

from services.cases.center import breach, seen, seen_form
from shared.contracts.event import HouseholdId
from shared.contracts.seen import SeenAnswer, SeenEntry, SeenRequest, Why
from shared.messaging.requests import RequestFailed, RequestRefused
from shared.runtime.problems import FormIncomplete

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
ASKED = SeenRequest(by="k1", roles=("auditor",), why=Why.AUDIT, household_id=HouseholdId(uuid4()), since=NOW - timedelta(days=90), until=NOW)


def entry(row: int, minutes: int = 0, **more: object) -> SeenEntry:
    given = {"actor": "e1", "roles": ("caseworker",), "action": "view", "object_kind": "case"} | more
    return SeenEntry(row=row, at=NOW - timedelta(minutes=minutes), **given)  # type: ignore[arg-type]


class Desks:
    """Answers as the given desks would; an exception in a desk's place is raised."""

    def __init__(self, answers: Mapping[str, list[SeenAnswer] | Exception]) -> None:
        self.answers, self.asked = answers, list[tuple[str, int | None]]()

    async def __call__(self, subject: str, request: bytes, timeout: float = 5.0) -> bytes:
        unit, before = subject.removesuffix(".seen"), SeenRequest.model_validate_json(request).before
        self.asked.append((unit, before))
        found = self.answers[unit]
        if isinstance(found, Exception):
            raise found
        return found[sum(1 for name, _ in self.asked if name == unit) - 1].model_dump_json(exclude_defaults=True).encode()


def ask(answers: Mapping[str, list[SeenAnswer] | Exception]) -> tuple[seen.Found, Desks]:
    desks = Desks(answers)
    return asyncio.run(seen.ask_everybody(desks, answers, ASKED)), desks


def test_answers_of_all_desks_stand_in_the_order_of_time() -> None:
    found, _ = ask({"intake": [SeenAnswer(entries=(entry(2, 1), entry(1, 30)))], "notify": [SeenAnswer(entries=(entry(9, 10),))]})
    assert [(one.unit, one.entry.row) for one in found.sightings] == [("intake", 2), ("notify", 9), ("intake", 1)]
    assert found.silent == found.cut == ()


@pytest.mark.parametrize("failure", [RequestFailed("svc.notify.seen"), RequestRefused("not_allowed"), TimeoutError(), ConnectionError()])
def test_a_desk_that_does_not_answer_is_silent_and_takes_nothing_away(failure: Exception) -> None:
    found, _ = ask({"intake": [SeenAnswer(entries=(entry(1),))], "notify": failure})
    assert (found.answered, found.silent, len(found.sightings)) == (("intake",), ("notify",), 1)


def test_a_long_answer_is_asked_for_to_its_end() -> None:
    found, desks = ask({"intake": [SeenAnswer(entries=(entry(9),), before=9), SeenAnswer(entries=(entry(8),), before=8), SeenAnswer()]})
    assert desks.asked == [("intake", None), ("intake", 9), ("intake", 8)]
    assert len(found.sightings) == 2


def test_a_desk_with_far_too_many_rows_is_cut_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MOST_ROWS", 2)
    found, _ = ask({"intake": [SeenAnswer(entries=(entry(9), entry(8)), before=8)]})
    assert (len(found.sightings), found.cut) == (2, ("intake",))


def test_readers_are_summed_up_over_desks_with_what_they_were_given() -> None:
    rows = [seen.Sighting("intake", entry(1, 5, returned=("name",))), seen.Sighting("notify", entry(2, 1, returned=("alerts",), decision="refuse"))]
    rows.append(seen.Sighting("intake", entry(3, actor="m1", roles=("manager",))))
    first, second = breach.readers(rows)
    assert (first.actor, first.times, first.units, first.refused) == ("e1", 2, ("intake", "notify"), 1)
    assert first.first < first.last
    assert set(first.returned) == {"name", "alerts"}
    assert second.actor == "m1"


def test_one_question_to_all_desks_is_one_asking_and_hides_no_reading() -> None:
    asked = {"action": "ask_audit", "actor": "k1", "purpose": "breach"}
    rows = [seen.Sighting(unit, entry(n, n, **asked)) for unit in ("intake", "notify", "outreach") for n in (1, 2)]
    rows.append(seen.Sighting("intake", entry(9)))
    rows += [seen.Sighting("cases-center", entry(10, 3, **asked | {"action": marked})) for marked in ("confirm_reading", "ask_reader")]
    (one,) = seen.askers(rows)
    assert (one.actor, one.purpose, one.times, one.last) == ("k1", "breach", 2, NOW - timedelta(minutes=1))
    assert [found.entry.row for found in seen.looked(rows)] == [9]


def test_the_deadlines_of_article_68_are_counted_from_the_day_after() -> None:
    found = breach.deadlines(date(2026, 11, 20))
    assert found.preliminary == (date(2026, 11, 23), date(2026, 11, 25))
    assert (found.final, found.final_when_malicious) == (date(2026, 12, 20), date(2027, 1, 19))


TODAY = date(2026, 11, 20)


def question(**typed: str) -> seen_form.Question:
    return seen_form.read(FormData({"why": "audit"} | typed), TODAY)


def test_without_a_period_the_last_90_days_are_asked_for_whole_days_of_japan() -> None:
    asked = question(about="ｒ８－０００１")
    assert (asked.receipt_no, asked.first, asked.last) == ("R8-0001", date(2026, 8, 22), TODAY)
    assert asked.since.isoformat() == "2026-08-22T00:00:00+09:00"
    assert asked.until.isoformat() == "2026-11-21T00:00:00+09:00"


def test_a_name_is_not_searched_for_and_a_question_without_a_reason_is_not_asked() -> None:
    with pytest.raises(FormIncomplete) as refused:
        question(about="伊豆 太郎", actor="見本 はな", why="")
    assert set(refused.value.fields) == {"about", "actor", "why"}
