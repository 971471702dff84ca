"""同じ姓の職員が見た世帯（ふだんと違う閲覧の一つのわけ）。氏名を知るのは受付だけなので、ここで比べ、外へは出さない。"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from services.intake.search_key import family_part, kanji_key
from services.intake.tables import account, member
from shared.runtime.database import Read
from shared.runtime.unusual import Pair, Relation


async def kin(handle: Read, pairs: Collection[Pair]) -> frozenset[Pair]:
    """職員の氏名は、サインインのときに受付に残る。姓と名の間に空白がなければ、くらべない。"""
    actors, households = {actor for actor, _ in pairs}, {household for _, household in pairs}
    staff = {row.sub: _family(row.name) for row in await handle.rows(select(account.c.sub, account.c.name).where(account.c.sub.in_(actors)))}
    families: dict[UUID, set[str]] = {}
    for row in await handle.rows(select(member.c.household_id, member.c.name).where(member.c.household_id.in_(households))):
        families.setdefault(row.household_id, set()).add(_family(row.name))
    return frozenset((actor, home) for actor, home in pairs if staff.get(actor) and staff[actor] in families.get(home, ()))


def _family(name: str) -> str:
    """異体字は寄せる（髙橋と高橋は同じ姓）。"""
    return kanji_key(family_part(name))


#: 受付の世帯: 取り消していない受付がある。住民の台帳から入っただけの世帯は、関わりがない
RELATION = Relation("select household_id from consultation where household_id = any(:households) and withdrawn is null", kin)
