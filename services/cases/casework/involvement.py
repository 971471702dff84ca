"""他の窓口の関わり: あるかないかと、どの窓口かだけ。中身は相手の窓口の権限で開く (desk.md §3.3)。"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from shared.contracts.event import ConsultationId, HouseholdId, UnitCode


class Kind(StrEnum):
    CASE = "case"
    REFERRAL = "referral"


@dataclass(frozen=True, slots=True)
class Trace:
    """聞いた関わり一つ（ケースか、返事を待つつなぎ）。`until` があれば終わっている。"""

    trace_id: UUID
    household_id: HouseholdId
    unit: UnitCode
    kind: Kind
    since: date | None = None
    until: date | None = None
    #: つなぎのもとになった受付。取り消されれば、返事を待つのも終わる
    consultation_id: ConsultationId | None = None


@dataclass(frozen=True, slots=True)
class Involvement:
    unit: UnitCode
    title: str
    base: str
    supporting: bool
    since: date | None
    case_id: UUID | None

    @property
    def label(self) -> str:
        return "関わりあり" if self.supporting else "返事待ち"


def others(traces: Iterable[Trace], *, own: UnitCode, desks: Mapping[UnitCode, tuple[str, str]]) -> tuple[Involvement, ...]:
    """いま関わっているほかの窓口を、窓口ごとに一行で。支えている窓口が先。`desks` は窓口→（表題、入口）。"""
    by_unit: dict[UnitCode, list[Trace]] = {}
    for trace in traces:
        if trace.unit != own and trace.until is None:
            by_unit.setdefault(trace.unit, []).append(trace)
    rows = [_involvement(unit, found, desks.get(unit, (unit, ""))) for unit, found in by_unit.items()]
    return tuple(sorted(rows, key=lambda row: (not row.supporting, row.unit)))


def _involvement(unit: UnitCode, traces: list[Trace], desk: tuple[str, str]) -> Involvement:
    cases = [trace for trace in traces if trace.kind is Kind.CASE]
    since = min((trace.since for trace in cases or traces if trace.since), default=None)
    return Involvement(unit, desk[0], desk[1], bool(cases), since, cases[0].trace_id if cases else None)
