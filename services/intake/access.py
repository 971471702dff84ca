"""だれが何をしてよいか、きょうはいつか: この窓口の画面が共通に使う入口。"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import Depends, Request

from services.intake.concerns import ConcernFields, concern_fields
from services.intake.parameters import Parameters, parameters_on
from services.intake.receipt_number import local_day
from services.intake.typed import Typed
from shared.runtime.auth import Staff, requires
from shared.runtime.problems import NotFound

#: 相談を受け付け、世帯を開く人
Desk = Annotated[Staff, requires("reception", "coordinator")]
#: 受付簿を見る人
RegisterReader = Annotated[Staff, requires("reception", "coordinator", "manager")]
#: 世帯の見出し（氏名）を見てよい人: 受付、支援会議を開くセンター、お知らせを開く管理者。ケース担当は、つなぎの開示で知る
HeaderReader = Annotated[Staff, requires("reception", "coordinator", "manager")]


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
