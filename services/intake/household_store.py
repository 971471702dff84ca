"""世帯と世帯員の表。検索キーはここで作り、書くたびに作り直す。"""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update

from services.intake.household import Birth, Household, Member, Person, Sex
from services.intake.search_key import family_part, kana_key, kanji_key, phone_key
from services.intake.tables import consultation, household, member
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.household import Area, LeavingReason, MemberRole
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

_HEAD_FIRST = (member.c.role != MemberRole.HEAD, member.c.birth.nulls_last(), member.c.joined_on, member.c.id)
NOT_FOUND = "この世帯は見つかりません。受付簿か「世帯をさがす」から開いてください。"


async def load(handle: Read, household_id: UUID, *, lock: bool = False) -> Household:
    """世帯と、いた人も含む世帯員。`lock` は、同時に二人が変えないように世帯の行を押さえる。"""
    query = select(household).where(household.c.id == household_id)
    row = await handle.row(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(NOT_FOUND)
    return (await _with_members(handle, [row]))[0]


async def of_number(handle: Read, number: str) -> UUID | None:
    """世帯番号か受付番号の世帯。"""
    try:
        asked = household.c.id == UUID(number)
    except ValueError:
        asked = household.c.id.in_(select(consultation.c.household_id).where(consultation.c.receipt_no == unicodedata.normalize("NFKC", number)))
    found: UUID | None = await handle.scalar(select(household.c.id).where(asked).limit(1))
    return found


async def load_many(handle: Read, ids: Iterable[UUID]) -> dict[UUID, Household]:
    rows = await handle.rows(select(household).where(household.c.id.in_(list(ids))))
    return {found.id: found for found in await _with_members(handle, rows)}


async def _with_members(handle: Read, rows: Sequence[Row[Any]]) -> list[Household]:
    by_household: dict[UUID, list[Member]] = {row.id: [] for row in rows}
    query = select(member).where(member.c.household_id.in_(list(by_household))).order_by(*_HEAD_FIRST)
    for row in await handle.rows(query):
        by_household[row.household_id].append(_member(row))
    return [Household(HouseholdId(row.id), Area(row.area), row.town, tuple(by_household[row.id]), row.register_no) for row in rows]


async def register(tx: Transaction, households: Sequence[Household]) -> None:
    """新しい世帯と世帯員を書く（まとめて）。"""
    shared = ("id", "area", "town", "register_no")
    rows = [{**{name: getattr(h, name) for name in shared}, "town_key": kanji_key(h.town), "registered_at": tx.now} for h in households]
    await tx.execute(insert(household), rows)
    await add(tx, [(h.id, m) for h in households for m in h.members])


async def add(tx: Transaction, members: Sequence[tuple[UUID, Member]]) -> None:
    if members:
        await tx.execute(insert(member), [{"id": one.id, "household_id": household_id, **_columns(one)} for household_id, one in members])


async def change(tx: Transaction, changed: Member) -> None:
    await tx.execute(update(member).where(member.c.id == changed.id), _columns(changed))


async def registered_numbers(handle: Read, numbers: Sequence[str]) -> set[str]:
    """登録済みの世帯番号（同じ名簿をもう一度読み込んでも増やさないため）。"""
    rows = await handle.rows(select(household.c.register_no).where(household.c.register_no.in_(numbers)))
    return {row.register_no for row in rows}


def _member(row: Row[Any]) -> Member:
    person = Person(
        role=MemberRole(row.role),
        name=row.name,
        kana=row.kana,
        birth=Birth(row.birth, row.age, row.age_asked_on),
        sex=Sex(row.sex) if row.sex else None,
        phone=row.phone,
    )
    reason = LeavingReason(row.left_reason) if row.left_reason else None
    return Member(MemberId(row.id), person, row.joined_on, row.left_on, reason, row.version)


def _columns(one: Member) -> dict[str, str | int | date | None]:
    person = one.person
    return {
        "role": person.role,
        "name": person.name,
        "kana": person.kana,
        "birth": person.birth.on,
        "age": person.birth.age,
        "age_asked_on": person.birth.asked_on,
        "sex": person.sex,
        "phone": person.phone,
        "joined_on": one.joined_on,
        "left_on": one.left_on,
        "left_reason": one.left_reason,
        "version": one.version,
        "kana_key": kana_key(person.kana),
        "kanji_key": kanji_key(person.name),
        "family_kana_key": kana_key(family_part(person.kana)),
        "family_kanji_key": kanji_key(family_part(person.name)),
        "phone_key": phone_key(person.phone),
    }
