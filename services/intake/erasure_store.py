"""消去の表を読み書きする: 消してよいかを見る、消す、受領を書く。氏名はここから出ない。"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from services.intake.retention import EraseReason, Standing
from shared.contracts.receipt import ErasureReceived
from shared.runtime import holds
from shared.runtime.database import Read, Transaction
from shared.runtime.erasure import remove_last
from shared.runtime.retention import Periods, RecordClass

_JST_DAY = "(({}) at time zone 'Asia/Tokyo')::date"
_HOUSEHOLDS = f"""
    select h.id as household_id, h.register_no, h.area,
      greatest({_JST_DAY.format("h.registered_at")}, said.on_day, answered.on_day) as moved_on, said.consultations, said.consented_on,
      coalesce(answered.waits, false) as referral_waits, coalesce(others.running, '{{}}') as running, others.case_until, others.watch_until,
      exists (select from protection p where p.household_id = h.id and p.lifted_on is null) as protected
    from household h
    left join lateral (
      select count(*) as consultations, max(greatest(received_on, {_JST_DAY.format("changed_at")})) as on_day,
        max(received_on) filter (where consent = 'given' and withdrawn is null) as consented_on
      from consultation c where c.household_id = h.id) said on true
    left join lateral (
      select max(coalesce(answered_on, made_on)) as on_day, bool_or(status in ('made', 'held') and c.withdrawn is null) as waits
      from referral r left join consultation c on c.id = r.consultation_id where r.household_id = h.id) answered on true
    left join lateral (
      select array_agg(distinct kind) filter (where until is null) as running,
        max(until) filter (where kind = 'case') as case_until, max(until) filter (where kind = 'watch') as watch_until
      from involved i where i.household_id = h.id) others on true
"""  # noqa: S608
_ONE = text(f"{_HOUSEHOLDS} where h.id = :household_id")
#: 一度も相談のない、名簿だけの世帯は、相談の記録ではない
_CONSULTED = text(f"{_HOUSEHOLDS} where said.consultations > 0 order by moved_on, h.id")

#: 同意のない、取り上げられていない相談: 本人からではなく、同意もなく、どこも受理せず、どこも関わっていない
_LEADS = text(
    f"""
    select c.id, c.household_id, c.receipt_no, c.received_on, l.reviewed_on, h.register_no,
      exists (select from consultation o where o.household_id = c.household_id and o.id <> c.id) as has_others
    from consultation c join household h on h.id = c.household_id left join lead_review l on l.consultation_id = c.id
    where c.route = any(:routes) and c.consent <> 'given' and c.withdrawn is null and {_JST_DAY.format("c.received_at")} < :before
      and not exists (select from consultation g where g.household_id = c.household_id and g.consent = 'given' and g.withdrawn is null)
      and not exists (select from referral r where r.household_id = c.household_id and r.status = 'accepted')
      and not exists (select from involved i where i.household_id = c.household_id)
    order by c.received_on, c.id
    """  # noqa: S608
)
_REVIEWED = text(
    """
    insert into lead_review (consultation_id, reviewed_on, reviewed_by) values (:id, :on, :by)
    on conflict (consultation_id) do update set reviewed_on = excluded.reviewed_on, reviewed_by = excluded.reviewed_by
    """
)
_DRAFTS = text("select form_key, (saved_at at time zone 'Asia/Tokyo')::date as saved_on from draft order by saved_at")

#: 下書きは世帯につながっていないので、この世帯につなぐと決めたもの、氏名もフリガナも同じ人のもの
_DRAFTS_OF = text(
    """
    delete from draft d where d.content->'household_id' ? cast(cast(:household_id as uuid) as text)
      or exists (select from member m where m.household_id = :household_id and m.name <> '' and m.kana <> ''
                 and d.content->'name' ? m.name and d.content->'kana' ? m.kana)
    """
)
_COUNT = """
    insert into consultation_counted as k (fiscal_year, route, main_topic, urgency, consultations)
    select extract(year from received_on - interval '3 months')::smallint, route, coalesce(main_topic, ''), urgency, count(*)
    from consultation where {} and withdrawn is null group by 1, 2, 3, 4
    on conflict (fiscal_year, route, main_topic, urgency) do update set consultations = k.consultations + excluded.consultations
"""
_COUNT_OF_HOUSEHOLD = text(_COUNT.format("household_id = :household_id"))
_COUNT_ONE = text(_COUNT.format("id = :id"))
#: 指すものから、指されるものへ
_GONE = (
    text("delete from consultation_history where consultation_id in (select id from consultation where household_id = :household_id)"),
    text("delete from fact where household_id = :household_id"),
    text("delete from referral where household_id = :household_id"),
    text("delete from consultation where household_id = :household_id"),
    text("delete from not_same_household where household_id = :household_id or other_id = :household_id"),
    text("delete from involved where household_id = :household_id"),
    text("delete from consent_scan where household_id = :household_id"),
    text("delete from consent_scan_removal where household_id = :household_id"),
    text("delete from withdrawal_receipt where withdrawal_id in (select id from consent_withdrawal where household_id = :household_id)"),
    text("delete from consent_withdrawal where household_id = :household_id"),
    text("delete from consent where household_id = :household_id"),
    text("delete from protection_note where household_id = :household_id"),
    # who broke the glass stays, what was written about the household does not
    text("update glass_request set note = '' where household_id = :household_id and note <> ''"),
    text("delete from member where household_id = :household_id"),
    text("delete from household where id = :household_id"),
)
_ONE_GONE = (
    text("delete from consultation_history where consultation_id = :id"),
    text("delete from fact where consultation_id = :id"),
    text("delete from referral where consultation_id = :id"),
    text("delete from consultation where id = :id"),
)
#: 消した世帯について、だれが開き、だれに開示したか: 監査の期間だけ
_ACCESSES = (("disclosure", "id", "at"), ("glass_request", "access_id", "asked_at"))
_ACCESSES_OF_ERASED = """
    select a.{key} as id, (a.{at} at time zone 'Asia/Tokyo')::date as day from {table} a join erased_household e using (household_id)
    where not exists (select from legal_hold h where h.household_id = a.household_id and h.lifted_on is null)
"""
_HOLD_HOUSEHOLD = text("select id from household where id = :household_id for update")
_WRITE = text(
    """
    insert into erasure (id, household_id, reason, erased_on, decided_at, decided_by, removed)
    values (:id, :household_id, :reason, :on, :now, :by, :removed)
    """
)
_WAIT_FOR = text("insert into erasure_receipt (erasure_id, unit) select :id, unit from announced_unit where unit <> 'intake' on conflict do nothing")
_RECEIVED = text(
    """
    insert into erasure_receipt as k (erasure_id, unit, removed, kept_under, kept_until, done_on)
    select id, :unit, :removed, :kept_under, :kept_until, :done_on from erasure where id = :erasure_id
    on conflict (erasure_id, unit) do update set removed = k.removed + excluded.removed, kept_under = excluded.kept_under,
      kept_until = excluded.kept_until, done_on = excluded.done_on
    """
)
_ERASURES = text("select * from erasure order by decided_at desc, id limit :limit offset :skip")
_RECEIPTS = text("select * from erasure_receipt where erasure_id = any(:ids) order by unit")
_CONTENTS = text(
    """
    select (select count(*) from member where household_id = :household_id) as members,
      (select count(*) from consultation where household_id = :household_id) as consultations,
      (select count(*) from consultation_history v join consultation c on c.id = v.consultation_id where c.household_id = :household_id) as versions,
      (select count(*) from fact where household_id = :household_id) as facts,
      (select count(*) from referral where household_id = :household_id) as referrals,
      (select count(*) from not_same_household where household_id = :household_id or other_id = :household_id) as pairs,
      (select count(*) from consent_scan where household_id = :household_id) as scans
    """
)
_INVOLVED = text("select unit, kind, since, until from involved where household_id = :household_id order by until nulls first, unit")


@dataclass(frozen=True, slots=True)
class Contents:
    """世帯について受付が持つものの数。"""

    members: int
    consultations: int
    versions: int
    facts: int
    referrals: int
    pairs: int
    scans: int

    @property
    def mark(self) -> str:
        """見た数と同じかを、消すときに確かめる。"""
        return ".".join(str(getattr(self, name)) for name in self.__slots__)

    @property
    def pairs_of_words(self) -> list[tuple[str, str]]:
        words = ("世帯の人", "受付（相談の内容）", "訂正される前の内容", "聞き取った事実", "つなぎ", "「別人」の決定", "同意書の写し")
        return [(word, f"{getattr(self, name)} 件") for word, name in zip(words, self.__slots__, strict=True)]


async def standing(handle: Read, household_id: UUID) -> Standing | None:
    row = await handle.row(_ONE, {"household_id": household_id})
    return _standing(row, bool(await holds.standing(handle, [household_id]))) if row else None


async def consulted(handle: Read) -> list[tuple[UUID, Standing]]:
    """相談のあった世帯、動きの古い順。"""
    rows = await handle.rows(_CONSULTED)
    held = await holds.standing(handle, [row.household_id for row in rows])
    return [(row.household_id, _standing(row, row.household_id in held)) for row in rows]


def _standing(row: Row[Any], held: bool) -> Standing:
    ended = {kind: until for kind, until in (("case", row.case_until), ("watch", row.watch_until)) if until}
    return Standing(row.moved_on, frozenset(row.running), ended, row.referral_waits, row.consented_on, row.protected, held)


async def leads(handle: Read, routes: Sequence[str], before: date) -> Sequence[Row[Any]]:
    return await handle.rows(_LEADS, {"routes": list(routes), "before": before})


async def reviewed(tx: Transaction, consultation_id: UUID, on: date, by: str) -> None:
    await tx.execute(_REVIEWED, {"id": consultation_id, "on": on, "by": by})


async def drafts(handle: Read) -> Sequence[Row[Any]]:
    return await handle.rows(_DRAFTS)


async def contents(handle: Read, household_id: UUID) -> Contents:
    row = await handle.row(_CONTENTS, {"household_id": household_id})
    assert row is not None
    return Contents(**row._mapping)


async def involvement(handle: Read, household_id: UUID) -> Sequence[Row[Any]]:
    return await handle.rows(_INVOLVED, {"household_id": household_id})


async def hold_household(tx: Transaction, household_id: UUID) -> bool:
    """行を押さえ、同時の受付・訂正・消去を待たせる。False: もうない。"""
    return await tx.row(_HOLD_HOUSEHOLD, {"household_id": household_id}) is not None


async def remove(tx: Transaction, household_id: UUID) -> int:
    """世帯のすべて。受付の数だけを残す。何もなければ 0。"""
    about = {"household_id": household_id}
    await tx.execute(_COUNT_OF_HOUSEHOLD, about)
    drafts_gone = await tx.execute(_DRAFTS_OF, about)
    return drafts_gone + sum([await tx.execute(statement, about) for statement in _GONE]) + await remove_last(tx, household_id)


async def remove_one(tx: Transaction, consultation_id: UUID) -> int:
    """受付一つ。"""
    await tx.execute(_COUNT_ONE, {"id": consultation_id})
    return sum([await tx.execute(statement, {"id": consultation_id}) for statement in _ONE_GONE])


async def forget_accesses(tx: Transaction, on: date, periods: Periods) -> None:
    """消した世帯の開示と緊急閲覧の記録を、監査の期間が過ぎたら消す。停止された世帯は待つ。"""
    for table, key, at in _ACCESSES:
        found = await tx.rows(text(_ACCESSES_OF_ERASED.format(table=table, key=key, at=at)))
        if over := [row.id for row in found if periods.due(RecordClass.AUDIT, row.day) <= on]:
            await tx.execute(text(f"delete from {table} where {key} = any(:ids)"), {"ids": over})  # noqa: S608


async def write(tx: Transaction, erasure_id: UUID, household_id: UUID, reason: EraseReason, *, on: date, by: str, removed: int) -> None:
    values = {"id": erasure_id, "household_id": household_id, "reason": reason.value, "on": on, "now": tx.now, "by": by, "removed": removed}
    await tx.execute(_WRITE, values)
    await tx.execute(_WAIT_FOR, {"id": erasure_id})


async def received(tx: Transaction, event: ErasureReceived, unit: str) -> None:
    await tx.execute(_RECEIVED, {
        "erasure_id": event.erasure_id, "unit": unit, "removed": event.removed, "kept_under": list(event.kept_under),
        "kept_until": event.kept_until, "done_on": event.done_on,
    })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """窓口一つの受領。`done_on` が空なら、まだ返事がない。"""

    unit: str
    removed: int
    kept_under: tuple[str, ...]
    kept_until: date | None
    done_on: date | None


@dataclass(frozen=True, slots=True)
class Erasure:
    id: UUID
    household_id: UUID
    reason: EraseReason
    erased_on: date
    decided_at: datetime
    decided_by: str
    removed: int
    answers: tuple[Answer, ...]

    @property
    def missing(self) -> int:
        return sum(answer.done_on is None for answer in self.answers)


async def erasures(handle: Read, page: int, limit: int) -> list[Erasure]:
    rows = await handle.rows(_ERASURES, {"limit": limit, "skip": (page - 1) * limit})
    answers: dict[UUID, list[Answer]] = {row.id: [] for row in rows}
    for row in await handle.rows(_RECEIPTS, {"ids": list(answers)}):
        answers[row.erasure_id].append(Answer(row.unit, row.removed, tuple(row.kept_under), row.kept_until, row.done_on))
    return [Erasure(**dict(row._mapping) | {"reason": EraseReason(row.reason), "answers": tuple(answers[row.id])}) for row in rows]
