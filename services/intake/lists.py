"""受付簿: その日の受付を、つなぎの返事まで一覧で。絞り込みは URL にある（氏名は URL に入れない）。"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, func, select

from services.intake.tables import consultation, household, member, referral
from shared.contracts.household import Area
from shared.runtime.database import Read

PAGE = 50


class State(StrEnum):
    """受付の状態。つなぎの返事から分かる。"""

    NOT_REFERRED = "not_referred"
    WAITING = "waiting"
    OVERDUE = "overdue"
    DECLINED = "declined"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        return {
            "not_referred": "受付（つなぎなし）", "waiting": "返事待ち", "overdue": "返事が遅れている", "declined": "不受理あり", "accepted": "受理",
            "withdrawn": "取消",
        }[self.value]  # fmt: skip

    @property
    def tone(self) -> str:
        tones = {"waiting": "info", "overdue": "danger", "declined": "warning", "accepted": "success"}
        return tones.get(self.value, "neutral")


@dataclass(frozen=True, slots=True)
class Sent:
    """つなぎ一つ。`status` は made / accepted / declined / held。"""

    id: UUID
    to_unit: str
    status: str
    reply_due: date
    answered_on: date | None
    decline_reason: str | None
    made_on: date


@dataclass(frozen=True, slots=True)
class Entry:
    id: UUID
    receipt_no: str
    received_at: datetime
    household_id: UUID
    name: str
    kana: str
    area: Area
    route: str
    urgency: str
    topics: tuple[str, ...]
    main_topic: str | None
    by: str
    state: State
    sent: tuple[Sent, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """`state` は None で全部。"""

    first: date
    last: date
    state: State | None = None
    page: int = 1


def state_of(withdrawn: bool, sent: Sequence[Sent], today: date) -> State:
    """取消 > 返事の遅れ > 不受理 > 返事待ち > 受理。一つでも手当ての要るものが先に立つ。"""
    if withdrawn:
        return State.WITHDRAWN
    if not sent:
        return State.NOT_REFERRED
    open_ = [one for one in sent if one.status in ("made", "held")]
    if any(one.reply_due < today for one in open_):
        return State.OVERDUE
    if any(one.status == "declined" for one in sent):
        return State.DECLINED
    return State.WAITING if open_ else State.ACCEPTED


async def entries(handle: Read, wanted: Filter, today: date) -> tuple[list[Entry], dict[State, int]]:
    """その期間の受付（新しい順）と、状態ごとの件数。"""
    rows = await handle.rows(_in_period(wanted))
    sent = await referrals_of(handle, [row.id for row in rows])
    found = [_entry(row, sent.get(row.id, ()), today) for row in rows]
    counts = {state: sum(entry.state is state for entry in found) for state in State}
    return [entry for entry in found if wanted.state in (None, entry.state)], counts


async def of_household(handle: Read, household_id: UUID, today: date) -> list[Entry]:
    rows = await handle.rows(_base().where(consultation.c.household_id == household_id))
    sent = await referrals_of(handle, [row.id for row in rows])
    return [_entry(row, sent.get(row.id, ()), today) for row in rows]


async def last_route(handle: Read, sub: str) -> str:
    """この人が最後に受け付けた経路（様式の初めの値）。"""
    query = select(consultation.c.route).where(consultation.c.received_by == sub).order_by(consultation.c.received_at.desc()).limit(1)
    return await handle.scalar(query) or ""


async def received_today(handle: Read, today: date) -> int:
    return int(await handle.scalar(select(func.count()).where(consultation.c.received_on == today)) or 0)


async def referrals_of(handle: Read, consultation_ids: Sequence[UUID]) -> dict[UUID, tuple[Sent, ...]]:
    found: dict[UUID, list[Sent]] = {}
    query = select(referral).where(referral.c.consultation_id.in_(consultation_ids)).order_by(referral.c.made_on, referral.c.to_unit)
    for row in await handle.rows(query) if consultation_ids else []:
        one = Sent(row.id, row.to_unit, row.status, row.reply_due, row.answered_on, row.decline_reason, row.made_on)
        found.setdefault(row.consultation_id, []).append(one)
    return {key: tuple(values) for key, values in found.items()}


def _base() -> Select[tuple[object, ...]]:
    joined = consultation.join(member, member.c.id == consultation.c.subject_id).join(household, household.c.id == consultation.c.household_id)
    columns = (*consultation.c, member.c.name, member.c.kana, household.c.area)
    return select(*columns).select_from(joined).order_by(consultation.c.received_at.desc(), consultation.c.receipt_no.desc())


def _in_period(wanted: Filter) -> Select[tuple[object, ...]]:
    return _base().where(consultation.c.received_on.between(wanted.first, wanted.last))


def _entry(row: object, sent: tuple[Sent, ...], today: date) -> Entry:
    values = row._mapping  # type: ignore[attr-defined]
    return Entry(
        id=values["id"],
        receipt_no=values["receipt_no"],
        received_at=values["received_at"],
        household_id=values["household_id"],
        name=values["name"] or values["kana"] or "氏名不明",
        kana=values["kana"],
        area=Area(values["area"]),
        route=values["route"],
        urgency=values["urgency"],
        topics=tuple(values["topics"]),
        main_topic=values["main_topic"],
        by=values["received_by_name"],
        state=state_of(values["withdrawn"] is not None, sent, today),
        sent=sent,
    )
