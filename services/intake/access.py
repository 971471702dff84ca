"""だれが何をしてよいか、きょうはいつか: この窓口の画面が共通に使う入口。"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.intake.concerns import ConcernFields, concern_fields
from services.intake.parameters import Parameters, parameters_on
from services.intake.receipt_number import local_day
from services.intake.typed import Typed
from shared.runtime.auth import Signed, Staff
from shared.runtime.database import Rd, Read
from shared.runtime.policies import Gate, Level
from shared.runtime.problems import NotFound
from shared.runtime.rights import enters, refusal, rights_in

#: 相談を受け付け、世帯を開く人
Desk = Annotated[Staff, enters(Gate.RECEIVE)]
#: 受付簿を見る人
RegisterReader = Annotated[Staff, enters(Gate.READ_REGISTER)]
#: 世帯の見出し（氏名）を見てよい人: 受付、支援会議を開くセンター、お知らせを開く管理者。ケース担当は、つなぎの開示で知る
HeaderReader = Annotated[Staff, enters(Gate.READ_HEADER)]


def _household_reader(request: Request, household_id: UUID, staff: Signed, rd: Rd) -> Staff:
    """窓口の人か、この世帯の緊急閲覧が開いている人。"""
    rights = rights_in(request)
    if rights.enters(Gate.RECEIVE) or any(glass.household_id == household_id for glass in rights.glasses):
        return staff
    raise refusal(rights.place, Gate.RECEIVE)


def _record_reader(request: Request, staff: Signed, rd: Rd) -> Staff:
    """受付簿を見る人か、緊急閲覧が開いている人。どの世帯のかは、受付を読んでから確かめる。"""
    rights = rights_in(request)
    if rights.enters(Gate.READ_REGISTER) or rights.glasses:
        return staff
    raise refusal(rights.place, Gate.READ_REGISTER)


HouseholdReader = Annotated[Staff, Depends(_household_reader)]
RecordReader = Annotated[Staff, Depends(_record_reader)]


@dataclass(frozen=True)
class Today:
    """日本時間のきょうと、その日に効いている基準値。"""

    date: date
    parameters: Parameters


def _today(request: Request) -> Today:
    day = local_day(datetime.now(UTC))
    return Today(day, parameters_on(day, request.app.state.settings.city_parameters))


def _fields(request: Request) -> ConcernFields:
    return concern_fields(request.app.state.settings.city_parameters)


OnDay = Annotated[Today, Depends(_today)]
Fields = Annotated[ConcernFields, Depends(_fields)]


@dataclass(frozen=True)
class Posted:
    """送られた様式と、押されたボタン（link・reject・unlink・then）。"""

    typed: Typed
    pressed: dict[str, str]


async def _posted(request: Request, fields: Fields) -> Posted:
    form = await request.form(max_files=0, max_fields=500)
    pairs = form.multi_items()
    pressed = {name: value for name, value in pairs if name in ("link", "reject", "unlink", "then") and isinstance(value, str)}
    return Posted(Typed.of(pairs, [field.kind for field in fields.member]), pressed)


Form = Annotated[Posted, Depends(_posted)]


def part_only(request: Request) -> None:
    """部分（_part）は htmx からだけ。半端な頁がブックマークされないように。"""
    if request.headers.get("hx-request") != "true":
        raise NotFound("この住所は画面の一部です。世帯の画面から開いてください。")


PartOnly = Depends(part_only)


def writable(handle: Read, household_id: UUID) -> None:
    """世帯か、その受付を読んだあとで。緊急閲覧は読むだけ。Raises NotAllowed."""
    if handle.rights:
        handle.rights.check(Level.WRITE, household_id)
