"""保護は人についていく: 保護された人が別の世帯に加わるか、別の世帯で登録されたら、その世帯も保護する。もう登録されていた世帯も。

同じ人かどうかは、生年月日と、氏名（漢字かカナ）がどちらも同じことで決める。人違いなら、保護担当が確かめて終える。逆の間違い
（移った先の所在が見えること）は取り返しがつかない。
"""

from collections.abc import Sequence
from datetime import date
from uuid import uuid4

from sqlalchemy import text

from services.intake import protection_store
from services.intake.consultation import StaffRef
from services.intake.household import Household, Member
from services.intake.protection import Protection, Standing, follow, renew
from services.intake.search_key import kana_key, kanji_key
from shared.contracts.event import Event, HouseholdId, MemberId
from shared.contracts.household import Area, HouseholdRegistered
from shared.contracts.protection import ProtectionKind
from shared.runtime.database import Transaction

#: protection and member are beyond row security: whoever registers the household must not see the other one, but its protection must be found
_ELSEWHERE = text(
    """
    select distinct on (asked.member_id, p.kind) asked.member_id, p.kind, p.expires_on
    from unnest(cast(:members as uuid[]), cast(:births as date[]), cast(:kanji as text[]), cast(:kana as text[]))
      as asked (member_id, birth, kanji, kana)
    join member m on m.birth = asked.birth and ((asked.kanji <> '' and m.kanji_key = asked.kanji) or (asked.kana <> '' and m.kana_key = asked.kana))
    join protection p on p.member_id = m.id and p.lifted_on is null and p.household_id <> :household
    where not exists (select from protection here where here.household_id = :household and here.member_id = asked.member_id and here.kind = p.kind
                      and here.lifted_on is null)
    order by asked.member_id, p.kind, p.expires_on desc nulls first
    """
)

#: 移った先で先に受け付けてから、元の世帯で保護を申し出る人がいる
_ELSEWHERE_TOO = """
    from member me
    join member m on m.birth = me.birth and ((me.kanji_key <> '' and m.kanji_key = me.kanji_key) or (me.kana_key <> '' and m.kana_key = me.kana_key))
"""
_ALREADY = text(
    f"""
    select m.id, m.household_id {_ELSEWHERE_TOO}
    where me.id = :member and m.household_id <> me.household_id and m.left_on is null
      and not exists (select from protection here where here.household_id = m.household_id and here.member_id = m.id and here.kind = :kind
                      and here.lifted_on is null)
    order by m.household_id, m.id
    """  # noqa: S608 — the pieces are our own constants
)
_STANDING_TOO = text(
    f"""
    select p.protection_id {_ELSEWHERE_TOO} join protection p on p.member_id = m.id and p.kind = :kind and p.lifted_on is null
    where me.id = :member and m.id <> me.id and p.expires_on < :until order by p.protection_id
    """
)


async def protect(tx: Transaction, home: Household, members: Sequence[Member], by: StaffRef, on: date) -> bool:
    """加わった人（直した人）に続いている保護があれば、この世帯でも始める。始めたか。"""
    told = [one for one in members if one.left_on is None and one.person.birth.on and (one.person.name or one.person.kana)]
    found = await _elsewhere(tx, home, told)
    for member_id, standing in found:
        await protection_store.save(tx, follow(home.id, member_id, standing, new_id=uuid4(), on=on), by)
    return bool(found)


async def protect_already(tx: Transaction, declared: Protection, by: StaffRef, on: date) -> list[HouseholdId]:
    """同じ人がもう登録されている、ほかの世帯でも保護を始める。始めた世帯。"""
    standing = Standing(declared.kind, declared.expires_on)
    found = await tx.rows(_ALREADY, {"member": declared.member_id, "kind": declared.kind.value})
    for row in found:
        await protection_store.save(tx, follow(HouseholdId(row.household_id), MemberId(row.id), standing, new_id=uuid4(), on=on), by)
    return [HouseholdId(row.household_id) for row in found]


async def renew_too(tx: Transaction, renewed: Protection, by: StaffRef, on: date) -> list[Protection]:
    """延長は人に対する市の決定: 同じ人の、ほかの世帯で続いている保護も、同じ日まで延ばす。延ばしたもの。"""
    assert renewed.expires_on
    values = {"member": renewed.member_id, "kind": renewed.kind.value, "until": renewed.expires_on}
    found = [await protection_store.to_change(tx, row.protection_id) for row in await tx.rows(_STANDING_TOO, values)]
    for one in found:
        await protection_store.save(tx, renew(one, renewed.expires_on, seen_version=one.version, today=on), by)
    return found


async def _elsewhere(tx: Transaction, home: Household, members: Sequence[Member]) -> list[tuple[MemberId, Standing]]:
    if not members:
        return []
    values = {
        "household": home.id,
        "members": [one.id for one in members],
        "births": [one.person.birth.on for one in members],
        "kanji": [kanji_key(one.person.name) for one in members],
        "kana": [kana_key(one.person.kana) for one in members],
    }
    rows = await tx.rows(_ELSEWHERE, values)
    return [(MemberId(row.member_id), Standing(ProtectionKind(row.kind), row.expires_on)) for row in rows]


def without_place(events: Sequence[Event]) -> tuple[Event, ...]:
    """保護された世帯の圏域は、どの出来事にも載せない（domain.md §1.5）。"""
    return tuple(one.model_copy(update={"area": Area.UNKNOWN}) if isinstance(one, HouseholdRegistered) else one for one in events)
