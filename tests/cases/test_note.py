"""支援経過: 消さずに訂正する。書いたことはケースの次の期限と最終接触に残る。"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.cases.casework import note
from services.cases.casework.case import CaseIsClosed
from services.cases.casework.note import AlreadyCorrected, Note, NoteIncomplete
from shared.contracts.case import CaseState
from tests.cases.builders import SATO, TODAY, a_case, rules

RULES = rules()


def a_note(**changes: Any) -> Note:
    case = a_case()
    written = Note(
        uuid4(), case.case_id, TODAY, "visit", "母", "玄関先で話した。", "疲れが見える。", 40, "", None, SATO, datetime(2026, 11, 23, tzinfo=UTC)
    )
    return replace(written, **changes)


def wrong_fields(written: Note) -> set[str]:
    with pytest.raises(NoteIncomplete) as refused:
        note.write(a_case(), written, on=TODAY, rules=RULES)
    return set(refused.value.fields)


def test_a_note_says_nothing_to_the_others() -> None:
    assert note.write(a_case(), a_note(), on=TODAY, rules=RULES).events == ()


def test_either_what_is_shared_or_the_own_view_is_enough_but_not_neither() -> None:
    assert note.write(a_case(), a_note(shared=""), on=TODAY, rules=RULES)
    assert wrong_fields(a_note(shared="", private="")) == {"shared"}


def test_method_and_days_must_make_sense() -> None:
    tomorrow, yesterday = TODAY + timedelta(days=1), TODAY - timedelta(days=1)
    assert wrong_fields(a_note(method="telepathy")) == {"method"}
    assert wrong_fields(a_note(happened_on=tomorrow)) == {"happened_on"}
    assert wrong_fields(a_note(next_action="電話", next_due=yesterday)) == {"next_due"}
    assert wrong_fields(a_note(next_action="電話")) == {"next_due"}


@pytest.mark.parametrize(("method", "met"), [("visit", TODAY), ("phone", TODAY), ("conference", None)])
def test_only_meeting_or_talking_counts_as_contact(method: str, met: date | None) -> None:
    assert note.follow(a_case(), a_note(method=method), rules=RULES).state.last_contact_on == met


def test_a_late_entry_does_not_move_the_last_contact_back() -> None:
    case = replace(a_case(), last_contact_on=TODAY)
    assert note.follow(case, a_note(happened_on=TODAY - timedelta(days=9)), rules=RULES).state.last_contact_on == TODAY


def test_the_next_step_moves_the_due_day_of_the_case() -> None:
    due = TODAY + timedelta(days=3)
    followed = note.follow(a_case(), a_note(next_action="家庭訪問", next_due=due), rules=RULES).state
    assert (followed.next_due, followed.next_action) == (due, "家庭訪問")


def test_a_closed_case_takes_corrections_but_no_new_notes() -> None:
    closed = a_case(CaseState.CLOSED)
    with pytest.raises(CaseIsClosed):
        note.write(closed, a_note(), on=TODAY, rules=RULES)
    assert note.correct(closed, a_note(), a_note(), corrected=False, on=TODAY, rules=RULES)


def test_a_note_is_corrected_once_then_its_correction_is() -> None:
    with pytest.raises(AlreadyCorrected):
        note.correct(a_case(), a_note(), a_note(), corrected=True, on=TODAY, rules=RULES)
