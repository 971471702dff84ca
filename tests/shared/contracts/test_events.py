"""An event can hold nothing that identifies a person, and what was once said can be read for ever."""

import json
from datetime import date
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from shared.contracts import generate
from shared.contracts.event import CATALOGUE, Code, ContractError, Event
from shared.contracts.household import LeavingReason

generate.load_all()
OURS = [event for event in CATALOGUE.values() if event.__module__.startswith("shared.contracts")]
SAMPLES = Path(generate.HERE) / "samples"


def test_an_event_with_free_text_is_refused_when_it_is_defined() -> None:
    with pytest.raises(ContractError):

        class WithNote(Event):
            channel: ClassVar[str] = "test"
            name: ClassVar[str] = "with_note"
            note: str


def test_an_event_with_a_birth_date_is_refused_when_it_is_defined() -> None:
    with pytest.raises(ContractError):

        class WithBirth(Event):
            channel: ClassVar[str] = "test"
            name: ClassVar[str] = "with_birth"
            birth: date


def test_free_text_hidden_in_a_list_is_refused() -> None:
    with pytest.raises(ContractError):

        class WithNotes(Event):
            channel: ClassVar[str] = "test"
            name: ClassVar[str] = "with_notes"
            notes: tuple[str, ...]


@pytest.mark.parametrize("hostile", ["高橋 文子", "a b", "x" * 33, "090-0000;drop", "", "改行\n"])
def test_a_code_holds_no_sentence(hostile: str) -> None:
    class Holder(Event):
        channel: ClassVar[str] = "test"
        name: ClassVar[str] = "holder"
        value: Code

    with pytest.raises(ValidationError):
        Holder.model_validate({"household_id": "0" * 32, "legal_basis": "CONSENT", "value": hostile})


@pytest.mark.parametrize("event", OURS, ids=lambda e: e.type_name())
def test_every_event_has_a_golden_sample_that_still_reads(event: type[Event]) -> None:
    sample = json.loads((SAMPLES / f"{event.type_name()}.json").read_text(encoding="utf-8"))
    read = event.model_validate(sample["payload"])
    assert json.loads(read.model_dump_json()) == sample["payload"]


@pytest.mark.parametrize("event", OURS, ids=lambda e: e.type_name())
def test_an_unknown_field_from_the_future_is_ignored(event: type[Event]) -> None:
    payload = json.loads((SAMPLES / f"{event.type_name()}.json").read_text(encoding="utf-8"))["payload"]
    assert event.model_validate(payload | {"from_the_future": "x"}) == event.model_validate(payload)


def test_generated_files_are_what_the_command_writes() -> None:
    stale = [str(path) for path, text in generate.pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: make generate"


def test_leaving_reasons_have_labels() -> None:
    assert all(reason.label for reason in LeavingReason)
