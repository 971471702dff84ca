"""同意と撤回の表。同意は書きかえず、撤回は書き足す。知らせと受領も、同じ取引で。"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.intake.consent import Consent, Consents, GivenBy, Source, Withdrawal, WithdrawReason, missed
from services.intake.receipt_number import local_day
from services.intake.tables import consent, consent_withdrawal, consultation, disclosure, fact, referral, withdrawal_receipt
from shared.contracts.case import FactRetracted
from shared.contracts.consent import ConsentForm, ConsentItem, Purpose
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId, LegalBasis, MemberId, UnitCode
from shared.runtime.database import Read, Transaction

c, w, r = consent, consent_withdrawal, withdrawal_receipt


async def hold(tx: Transaction, household_id: UUID) -> None:
    """同じ世帯の同意を、この取引の終わりまで一人だけが変える。"""
    await tx.scalar(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"intake/consent/{household_id}"})


async def of_household(handle: Read, household_id: UUID) -> Consents:
    return (await of_households(handle, [household_id])).get(household_id, Consents())


async def of_households(handle: Read, household_ids: Collection[UUID]) -> dict[UUID, Consents]:
    given: dict[UUID, list[Consent]] = {}
    gone: dict[UUID, list[Withdrawal]] = {}
    for row in await handle.rows(select(c).where(c.c.household_id.in_(household_ids)).order_by(c.c.said_at, c.c.id)):
        given.setdefault(row.household_id, []).append(_consent(row))
    for row in await handle.rows(select(w).where(w.c.household_id.in_(household_ids)).order_by(w.c.said_at, w.c.id)):
        gone.setdefault(row.household_id, []).append(_withdrawal(row))
    return {home: Consents(tuple(given.get(home, ())), tuple(gone.get(home, ()))) for home in given.keys() | gone.keys()}


async def add(tx: Transaction, outcome: Outcome[Consent]) -> bool:
    """同意を一つ書き、知らせる。同じ番号の同意がもうあれば、何もしない（二度押し、二度届いた便り）。"""
    values = asdict(outcome.state)
    values["excluded_items"] = sorted(values.pop("excluded"))
    values["recorded_by_name"] = values.pop("recorded_by")
    values |= {"purposes": sorted(values["purposes"]), "recipients": sorted(values["recipients"])}
    added = await tx.execute(upsert(c).values(values).on_conflict_do_nothing(index_elements=["id"]))
    if added:
        tx.publish(*outcome.events)
    return bool(added)


async def add_recipients(tx: Transaction, one: Consent) -> None:
    """受付で聞いた同意のまま、つなぎ先を足した。"""
    limits = {"purposes": sorted(one.purposes), "excluded_items": sorted(one.excluded), "valid_to": one.valid_to}
    await tx.execute(update(c).where(c.c.id == one.id).values(recipients=sorted(one.recipients), **limits))


async def forget_mistake(tx: Transaction, consent_id: UUID) -> None:
    """同意の記録が誤りだった。撤回ではないので、写しの始末は根拠の尋ね直しにまかせる。"""
    await tx.execute(delete(c).where(c.c.id == consent_id))


async def add_withdrawal(tx: Transaction, outcome: Outcome[Withdrawal], *, wait_until: datetime | None) -> bool:
    """撤回を書き、知らせ、受領を待ち始める。`wait_until` を過ぎてもそろわなければ、人に見える。"""
    one = outcome.state
    values = asdict(one) | {"recipients": sorted(one.recipients)}
    values["recorded_by_name"] = values.pop("recorded_by")
    if not await tx.execute(upsert(w).values(values).on_conflict_do_nothing(index_elements=["id"])):
        return False
    if one.recipients and outcome.events:
        await tx.execute(insert(r), [{"withdrawal_id": one.id, "unit": unit, "kept_under": []} for unit in sorted(one.recipients)])
        if wait_until:
            tx.schedule("receipts", str(one.id), wait_until, one.household_id)
    tx.publish(*outcome.events)
    return True


async def receive(tx: Transaction, withdrawal_id: UUID, unit: UnitCode, *, removed: int, kept_under: Sequence[str], done_on: date) -> bool:
    """受領。知らせていない窓口からのものと、二度めは数えない。最後の一つで待ち時計を止め、期限を過ぎていたなら残りを知らせ直す。"""
    values = {"removed": removed, "kept_under": list(kept_under), "done_on": done_on}
    waits = (r.c.withdrawal_id == withdrawal_id, r.c.unit == unit, r.c.done_on.is_(None))
    if not await tx.execute(update(r).where(*waits).values(values)):
        return False
    row = await _one_at_a_time(tx, withdrawal_id)
    left = await missing(tx, withdrawal_id)
    if not left:
        tx.cancel("receipts", str(withdrawal_id))
    if row and row.alarmed_at:
        tx.publish(missed(_withdrawal(row), left))
    return True


async def missing(handle: Read, withdrawal_id: UUID) -> list[UnitCode]:
    rows = await handle.rows(select(r.c.unit).where(r.c.withdrawal_id == withdrawal_id, r.c.done_on.is_(None)).order_by(r.c.unit))
    return [row.unit for row in rows]


async def alarm(tx: Transaction, withdrawal_id: UUID) -> list[UnitCode]:
    """期限を過ぎても受領のない窓口。はじめてなら、知らせる。"""
    row = await _one_at_a_time(tx, withdrawal_id)
    left = await missing(tx, withdrawal_id)
    if row and left and row.alarmed_at is None:
        await tx.execute(update(w).where(w.c.id == withdrawal_id).values(alarmed_at=tx.now))
        tx.publish(missed(_withdrawal(row), left))
    return left


async def _one_at_a_time(tx: Transaction, withdrawal_id: UUID) -> Row[Any] | None:
    """撤回の行を押さえる: 最後の二つの受領が同時に届いても、あとの取引には、もう残りがないと見える。消去された世帯なら None。"""
    return await tx.row(select(w).where(w.c.id == withdrawal_id).with_for_update())


async def holders(handle: Read, household_id: UUID) -> set[UnitCode]:
    """写しを持っているかもしれない窓口: 身元を答えた相手と、断られていないつなぎの相手。"""
    told = select(disclosure.c.asker).where(disclosure.c.household_id == household_id, disclosure.c.refused.is_(None))
    return {row.asker for row in await handle.rows(told)} | await referred(handle, household_id)


async def referred(handle: Read, household_id: UUID) -> set[UnitCode]:
    """つないである（断られていない）窓口。"""
    return {
        row.to_unit
        for row in await handle.rows(select(referral.c.to_unit).where(referral.c.household_id == household_id, referral.c.status != "declined"))
    }


#: ケースも見守りも終わり、返事を待つつなぎもない
_OVER = """
    exists (select from involved i where i.household_id = {home} and i.unit = {unit})
    and not exists (select from involved i where i.household_id = {home} and i.unit = {unit} and i.until is null)
    and not exists (select from referral r where r.household_id = {home} and r.to_unit = {unit} and r.status in ('made', 'held'))
"""
_OVER_OF = text(f"select distinct v.unit from involved v where v.household_id = :home and {_OVER.format(home='v.household_id', unit='v.unit')}")  # noqa: S608
#: 支えの続く窓口への、もうすぐ終わるか終わった同意のある世帯。終わりの早い順
_ENDING = text(
    f"""
    select c.household_id, min(c.valid_to) as ends from consent c, unnest(c.recipients) as to_unit (unit)
    where c.valid_to <= :soon and not ({_OVER.format(home="c.household_id", unit="to_unit.unit")})
    group by c.household_id order by ends, c.household_id limit :most
    """  # noqa: S608 — the pieces are our own constants
)


async def over(handle: Read, household_id: UUID) -> set[UnitCode]:
    """支援の終わった窓口。"""
    return {row.unit for row in await handle.rows(_OVER_OF, {"home": household_id})}


async def ending(handle: Read, soon: date, most: int) -> list[HouseholdId]:
    """`soon` までに終わる同意のある世帯。"""
    return [HouseholdId(row.household_id) for row in await handle.rows(_ENDING, {"soon": soon, "most": most})]


async def retract_shared_facts(tx: Transaction, household_id: HouseholdId, member_id: MemberId) -> None:
    """本人の同意で知らせた、その人の事実を取り下げる: 聞いた窓口の写しも消える。同意そのものの事実は残る。"""
    on_consent = (consultation.c.consent == "given", consultation.c.subject_id == member_id, fact.c.member_id == member_id, fact.c.kind != "consent")
    shared = select(fact.c.id).join(consultation, consultation.c.id == fact.c.consultation_id)
    rows = await tx.rows(shared.where(fact.c.household_id == household_id, fact.c.retracted_at.is_(None), *on_consent).order_by(fact.c.id))
    if not rows:
        return
    await tx.execute(update(fact).where(fact.c.id.in_([row.id for row in rows])).values(retracted_at=tx.now))
    tx.publish(*(FactRetracted(household_id=household_id, legal_basis=LegalBasis.INTERNAL_69_2_2, fact_id=row.id) for row in rows))


async def printed(handle: Read, member_id: UUID) -> list[date]:
    """この人の紙を開いて印刷できるようにした日（監査の記録から）。"""
    query = text("select at from audit where action = 'print' and object_id = :id order by at")
    return sorted({local_day(row.at) for row in await handle.rows(query, {"id": str(member_id)})})


def _consent(row: Row[Any]) -> Consent:
    return Consent(
        id=row.id,
        household_id=HouseholdId(row.household_id),
        member_id=MemberId(row.member_id),
        purposes=frozenset(Purpose(one) for one in row.purposes),
        recipients=frozenset(row.recipients),
        excluded=frozenset(ConsentItem(one) for one in row.excluded_items),
        form=ConsentForm(row.form),
        given_by=GivenBy(row.given_by),
        obtained_on=row.obtained_on,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        said_at=row.said_at,
        source=Source(row.source),
        explained_by=row.explained_by,
        recorded_by=row.recorded_by_name,
    )


def _withdrawal(row: Row[Any]) -> Withdrawal:
    return Withdrawal(
        row.id, row.consent_id, HouseholdId(row.household_id), MemberId(row.member_id), frozenset(row.recipients), row.everyone,
        WithdrawReason(row.reason), row.withdrawn_on, row.said_at, Source(row.source), row.recorded_by_name,
    )  # fmt: skip
