"""事実の区分（レーン）: 読む人に開いている事実だけを、データベースが返す。何を開くかは policies/facts.cedar が、画面ごとに一度だけ決める。

The SQL makes the same word of a fact as `policies.key_of`; the database compares it with the words that are open. No decision in a loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.cases.casework import records
from services.cases.casework.facts import Fact
from shared.contracts.conference import Forum
from shared.contracts.consent_uses import Use, wanted
from shared.contracts.event import HouseholdId
from shared.runtime.database import Read
from shared.runtime.policies import NOTHING
from shared.runtime.rights import Rights
from shared.runtime.ticket import japan_day
from shared.runtime.unit import Unit

#: その人の同意が続いていて、相手を限っていないか、読む人の窓口が入っていて、その目的でもある
_AGREED = """exists (select from consent c where c.household_id = f.household_id and c.member_id = {who} and c.state = 'given'
    and (c.until is null or c.until >= :today) and (c.recipients is null or c.recipients && cast(:units as text[]))
    and (c.purposes is null or c.purposes && cast(:purposes as text[])))"""
#: 世帯の事実は、主に支える人の全員の同意による（facts._consent_that_counts と同じ）
_CONSENTED = f"""case when f.member_id is not null then {_AGREED.format(who="f.member_id")}
  else coalesce((select cardinality(k.member_ids) > 0 and not exists (select from unnest(k.member_ids) m(id) where not {_AGREED.format(who="m.id")})
    from case_file k where k.case_id = f.case_id), false) end"""  # noqa: S608
_JUDGED = f"""
  select f.*, f.legal_basis || case when {_CONSENTED} then '+c' else '' end
    || case when f.conference_id = any(cast(:attended as uuid[])) then '+a' else '' end as ground
  from fact f where f.household_id = :household and (cast(:conference as uuid) is null or f.conference_id = :conference)
"""  # noqa: S608
_OPEN = text(f"select * from ({_JUDGED}) f where ground = any(cast(:read as text[])) order by recorded_at, fact_id")  # noqa: S608
_CLOSED = text(f"select count(*) from ({_JUDGED}) f where is_current and ground = any(cast(:unread as text[]))")  # noqa: S608
_ONGOING = text(
    """
    select distinct on (forum) forum, conference_id from conference
    where household_id = :household and closed_on is null and :today between convened_on and ends_on order by forum, convened_on desc, conference_id
    """
)
_ATTENDED = text("select conference_id, forum, ends_on, closed_on from conference where conference_id = any(:ids) order by ends_on, conference_id")


@dataclass(frozen=True, slots=True)
class Seen:
    """読める事実と、読めないがあることは知ってよい事実の数。数えられない事実は、跡も残さない。"""

    facts: list[Fact]
    withheld: int = 0


async def seen(handle: Read, household_id: UUID, conference_id: UUID | None = None) -> Seen:
    """この窓口が記録した事実のうち、読む人に開いているもの。`conference_id` があれば、その会議の事実だけ。"""
    rights = handle.rights
    sight = rights.sight(household_id) if rights else NOTHING
    if rights is None or not sight.known:
        return Seen([])
    values = {
        "household": household_id, "conference": conference_id, "today": rights.today, "units": sorted(rights.reader.units),
        "attended": rights.attends(household_id), "purposes": sorted(wanted(_use(rights), rights.today).purposes),
    }  # fmt: skip
    facts = [records.fact_of(row) for row in await handle.rows(_OPEN, values | {"read": sorted(sight.read)})]
    unread = sorted(sight.known - sight.read)
    return Seen(facts, int(await handle.scalar(_CLOSED, values | {"unread": unread})) if unread else 0)


def _use(rights: Rights) -> Use:
    """センターは支援をまとめるために読み、ほかの窓口の人は会議に出て読む。"""
    return Use.SUPPORT if "coordinator" in rights.reader.roles else Use.CONFERENCE


async def ongoing(handle: Read, unit: Unit, household_id: HouseholdId) -> Mapping[Forum, UUID]:
    """この窓口が開いていて、きょう続いている、この世帯の会議。ほかの窓口の会議で知らせたことにはできない。"""
    if "conference" not in unit.publishes:
        return {}
    rows = await handle.rows(_ONGOING, {"household": household_id, "today": japan_day(handle.now.timestamp())})
    return {Forum(row.forum): row.conference_id for row in rows}


async def attended(handle: Read, household_id: UUID, base: str | None) -> list[dict[str, Any]]:
    """読む人が出席している、この世帯の会議。`base` は会議を開く窓口の入口。"""
    ids = handle.rights.attends(household_id) if handle.rights and base is not None else []
    rows = await handle.rows(_ATTENDED, {"ids": ids}) if ids else []
    return [{"label": Forum(row.forum).label, "href": f"{base}/meetings/{row.conference_id}", "until": row.closed_on or row.ends_on} for row in rows]
