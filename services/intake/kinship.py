"""見た世帯が、職員の家族か近所かもしれないこと（ふだんと違う閲覧のわけ）。氏名と住所を知るのは受付だけなので、ここで比べ、外へは出さない。

氏名は保護された世帯でも比べる: 同じ姓は、どこにいるかを言わない。住所は比べない: 点検する人（管理者・監査）は保護された世帯の所在を
知ってはならず、職員の自宅を知る人に「自宅と同じ町」と言えば、所在を教えることになる。管理者は自宅の欄を書きかえて確かめることもできる。
近所の職員が見たことは、関わりのない世帯・断られた・緊急閲覧の点検で分かる。
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select, text

from services.intake import address
from services.intake.account import Home
from services.intake.address import Address, Nearness
from services.intake.search_key import family_part, kanji_key
from services.intake.tables import account, member
from shared.contracts.unusual import Sign
from shared.runtime.database import Read
from shared.runtime.unusual import Pair, Relation

_SIGN = {Nearness.BLOCK: Sign.ADDRESS, Nearness.TOWN: Sign.STREET}
#: いま人が住む世帯の、いまの住所。続いている保護のある世帯は除く
_ADDRESSES = text(
    """
    select h.id, h.town from household h where h.id = any(:households) and h.town <> ''
      and exists (select from member m where m.household_id = h.id and m.left_on is null)
      and not exists (select from protection p where p.household_id = h.id and p.lifted_on is null)
    """
)


async def close(handle: Read, pairs: Collection[Pair]) -> Mapping[Sign, frozenset[Pair]]:
    return {Sign.KIN: await kin(handle, pairs), **await near(handle, pairs)}


async def kin(handle: Read, pairs: Collection[Pair]) -> frozenset[Pair]:
    """職員の氏名は、サインインのときに受付に残る。姓と名の間に空白がなければ、くらべない。"""
    actors, households = {actor for actor, _ in pairs}, {household for _, household in pairs}
    staff = {row.sub: _family(row.name) for row in await handle.rows(select(account.c.sub, account.c.name).where(account.c.sub.in_(actors)))}
    families: dict[UUID, set[str]] = {}
    for row in await handle.rows(select(member.c.household_id, member.c.name).where(member.c.household_id.in_(households))):
        families.setdefault(row.household_id, set()).add(_family(row.name))
    return frozenset((actor, home) for actor, home in pairs if staff.get(actor) and staff[actor] in families.get(home, ()))


async def near(handle: Read, pairs: Collection[Pair]) -> Mapping[Sign, frozenset[Pair]]:
    """職員の自宅は、管理者が入れた人だけ。"""
    homes = await _homes(handle, {actor for actor, _ in pairs})
    asked = [(actor, household) for actor, household in pairs if actor in homes]
    places = await _addresses(handle, {household for _, household in asked})
    told = {(actor, household): address.nearness(homes[actor], places[household]) for actor, household in asked if household in places}
    return {sign: frozenset(pair for pair, found in told.items() if found is nearness) for nearness, sign in _SIGN.items()}


async def _homes(handle: Read, actors: Collection[str]) -> dict[str, Address]:
    found = select(account.c.sub, account.c.home_town, account.c.home_block).where(account.c.sub.in_(actors), account.c.home_town != "")
    return {row.sub: Home(row.home_town, row.home_block).address for row in await handle.rows(found)}


async def _addresses(handle: Read, households: Collection[UUID]) -> dict[UUID, Address]:
    return {row.id: address.read(row.town) for row in await handle.rows(_ADDRESSES, {"households": list(households)})}


def _family(name: str) -> str:
    """異体字は寄せる（髙橋と高橋は同じ姓）。"""
    return kanji_key(family_part(name))


#: 受付の世帯: 取り消していない受付がある。住民の台帳から入っただけの世帯は、関わりがない
RELATION = Relation("select household_id from consultation where household_id = any(:households) and withdrawn is null", close)
