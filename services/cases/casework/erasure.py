"""消去: 氏名の写し・聞き取り・顔ぶれは、受付が世帯を消したときに消す。ケースの記録は、自分の保存期間が終わるまで残す。"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, text

from shared.contracts.event import HouseholdId, LegalBasis
from shared.messaging import Handlers
from shared.runtime.database import Read, Transaction
from shared.runtime.erasure import Due, Keeper, Kept, Removed
from shared.runtime.retention import Facts, Periods, RecordClass

#: 期間のない写し。照会の行（disclosure）を先に消すと、いま届く返事は書く先を失い、氏名は戻らない
COPIES = tuple(
    text(f"delete from {table} where household_id = :household_id")  # noqa: S608
    for table in ("disclosure", "identity", "consent", "member", "household", "involvement")
)
#: ケースにつながらないつなぎ（不受理・取消・返事待ち）
_LOOSE = text(
    """
    delete from referral r where household_id = :household_id
      and not exists (select from case_file c where c.case_id = r.case_id or c.referral_id = r.referral_id)
    """
)
#: 書いたものすべて。referral は case_file を指すので、行が残っているうちに
RECORDS = (
    text("delete from approval where case_id = :case_id"),
    text("delete from note where case_id = :case_id"),
    text("delete from fact where case_id = :case_id"),
    text("delete from case_step where case_id = :case_id"),
    text("delete from referral r using case_file c where c.case_id = :case_id and (r.case_id = c.case_id or r.referral_id = c.referral_id)"),
    text("delete from case_file where case_id = :case_id"),
)
_CASES = """
    select c.case_id, c.household_id, c.state, c.closed_on, k.record_class, k.due_on, c.legal_basis,
      array(select distinct f.legal_basis from fact f where f.case_id = c.case_id) as bases,
      (select max(m.birth_month) from member m where m.household_id = c.household_id) as youngest,
      exists (select from erased_household e where e.household_id = c.household_id) as is_erased
    from case_file c left join kept_case k using (case_id)
"""
_OF_HOUSEHOLD = text(f"{_CASES} where c.household_id = :household_id for update of c")
_CLOSED = text(f"{_CASES} where c.state = 'CLOSED' and c.closed_on is not null order by c.closed_on, c.case_id")
_KEEP = text(
    """
    insert into kept_case (case_id, household_id, record_class, due_on) values (:case_id, :household_id, :record_class, :due_on)
    on conflict (case_id) do update set record_class = excluded.record_class, due_on = excluded.due_on
    """
)


@dataclass(frozen=True, slots=True)
class Term:
    """ケースの記録の区分と、消してよい最初の日。"""

    record_class: RecordClass
    due_on: date


def class_of(bases: Sequence[str]) -> RecordClass:
    """通告を根拠にした記録があれば児童虐待の記録。命の危険も記録されていれば、重い事例として長い方に数える（[D] 長く残す側）。"""
    if LegalBasis.ABUSE_CHILD not in bases:
        return RecordClass.CASE
    return RecordClass.CHILD_ABUSE_SERIOUS if LegalBasis.LIFE_EMERGENCY in bases else RecordClass.CHILD_ABUSE


def term_of(row: Row[Any], periods: Periods) -> Term | None:
    """None は、まだ終結していない。消した世帯の顔ぶれはもう分からないので、消したときに決めた日が続く。"""
    if row.state != "CLOSED" or row.closed_on is None:
        return None
    if row.due_on is not None:
        return Term(RecordClass(row.record_class), max(row.due_on, periods.due(RecordClass.CASE, row.closed_on)))
    record_class = class_of([row.legal_basis, *row.bases])
    return Term(record_class, periods.due(record_class, row.closed_on, Facts(row.youngest)))


async def plan(rd: Read, on: date, periods: Periods) -> list[Due]:
    """終結して期間の過ぎたケース。世帯を消すと受付が決めるまでは、待つ。"""
    found = [(row, term_of(row, periods)) for row in await rd.rows(_CLOSED)]
    return [
        Due(term.record_class, row.case_id, row.household_id, term.due_on, () if row.is_erased else ("awaits_erasure",))
        for row, term in found
        if term
    ]


async def remove(tx: Transaction, household_id: HouseholdId, on: date, periods: Periods) -> Removed:
    cases = await tx.rows(_OF_HOUSEHOLD, {"household_id": household_id})
    terms = [(row, term_of(row, periods)) for row in cases]  # before the members go, whose ages count
    rows, kept = 0, []
    for row, term in terms:
        if term is None:
            kept.append(Kept("case_open"))
        elif term.due_on > on:
            await tx.execute(_KEEP, {"case_id": row.case_id, "household_id": household_id, "record_class": term.record_class, "due_on": term.due_on})
            kept.append(Kept(term.record_class, term.due_on - timedelta(days=1)))
        else:
            rows += sum([await tx.execute(statement, {"case_id": row.case_id}) for statement in RECORDS])
    rows += sum([await tx.execute(statement, {"household_id": household_id}) for statement in (*COPIES, _LOOSE)])
    return Removed(rows, tuple(kept))


def register(handlers: Handlers) -> None:
    handlers.keepers.append(Keeper(plan, remove))
