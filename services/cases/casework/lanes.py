"""区分（レーン）: 読む人に開いている事実と経過だけを、データベースが返す。何を開くかは policies/facts.cedar が、画面ごとに一度だけ決める。

The SQL makes the same word of a fact as `policies.key_of`; the database compares it with the words that are open. No decision in a loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.cases.casework import records
from services.cases.casework.case import Case
from services.cases.casework.facts import Fact
from services.cases.casework.note import Note
from shared.contracts.conference import Forum
from shared.contracts.consent_uses import Use, wanted
from shared.contracts.event import HouseholdId, LegalBasis
from shared.desk.wareki import japan_day
from shared.runtime.database import Read
from shared.runtime.policies import NOTHING
from shared.runtime.rights import Rights
from shared.runtime.unit import Unit

#: その人の同意が続いていて、相手を限っていないか、読む人の窓口が入っていて、その目的でもある
_AGREED = """exists (select from consent c where c.household_id = f.household_id and c.member_id = {who} and c.state = 'given'
    and (c.until is null or c.until >= :today) and (c.recipients is null or c.recipients && cast(:units as text[]))
    and (c.purposes is null or c.purposes && cast(:purposes as text[])))"""
#: 世帯の事実は、主に支える人の全員の同意による（facts._consent_that_counts と同じ）
_CONSENTED = f"""case when f.member_id is not null then {_AGREED.format(who="f.member_id")}
  else coalesce((select cardinality(k.member_ids) > 0 and not exists (select from unnest(k.member_ids) m(id) where not {_AGREED.format(who="m.id")})
    from case_file k where k.case_id = f.case_id), false) end"""  # noqa: S608
#: 会議で知らせた・知った: 読む人が出席している会議で（+a）、ほかの会議で（+o）
_TOLD = "case when {of}.conference_id = any(cast(:attended as uuid[])) then '+a' when {of}.conference_id is not null then '+o' else '' end"
_JUDGED = f"""
  select f.*, f.legal_basis || case when {_CONSENTED} then '+c' else '' end
    || {_TOLD.format(of="f")} as ground
  from fact f where f.household_id = :household and (cast(:conference as uuid) is null or f.conference_id = :conference)
"""  # noqa: S608
_OPEN = text(f"select * from ({_JUDGED}) f where ground = any(cast(:read as text[])) order by recorded_at, fact_id")  # noqa: S608
_CLOSED = text(f"select count(*) from ({_JUDGED}) f where is_current and ground = any(cast(:unread as text[]))")  # noqa: S608
#: 「支援会議で知ったこと」の経過は、その会議の事実と同じ言葉で比べる。ほかの経過（会議のないもの）に区分はない
_NOTES = f"""
  select n.*, '{LegalBasis.ART106_6.value}' || {_TOLD.format(of="n")} as ground from note n where n.case_id = :case
"""  # noqa: S608
_OPEN_NOTES = text(
    f"select * from ({_NOTES}) n where conference_id is null or ground = any(cast(:read as text[])) order by happened_on desc, written_at desc"  # noqa: S608
)
_CLOSED_NOTES = text(
    f"""
    select count(*) from ({_NOTES}) n where conference_id is not null and ground = any(cast(:unread as text[]))
      and not exists (select from note later where later.corrects = n.note_id)
    """  # noqa: S608
)
_ONGOING = text(
    """
    select distinct on (forum) forum, conference_id from conference
    where household_id = :household and closed_on is null and :today between convened_on and ends_on
      and (:convenes or conference_id = any(cast(:attended as uuid[]))) order by forum, convened_on desc, conference_id
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


@dataclass(frozen=True, slots=True)
class SeenNotes:
    """読める経過と、読めないがあることは知ってよい経過の数（訂正された前の記録は数えない）。"""

    notes: list[Note]
    withheld: int = 0


async def notes(handle: Read, case: Case) -> SeenNotes:
    """支援経過のうち読む人に開いているもの、新しい順。"""
    rights = handle.rights
    if rights is None:
        return SeenNotes([])
    sight = rights.sight(case.household_id)
    values = {"case": case.case_id, "attended": rights.attends(case.household_id)}
    found = [records.note_of(row) for row in await handle.rows(_OPEN_NOTES, values | {"read": sorted(sight.read_notes)})]
    unread = sorted(sight.known_notes - sight.read_notes)
    return SeenNotes(found, int(await handle.scalar(_CLOSED_NOTES, values | {"unread": unread})) if unread else 0)


def _use(rights: Rights) -> Use:
    """センターは支援をまとめるために読み、ほかの窓口の人は会議に出て読む。"""
    return Use.SUPPORT if "coordinator" in rights.reader.roles else Use.CONFERENCE


async def ongoing(handle: Read, unit: Unit, household_id: HouseholdId) -> Mapping[Forum, UUID]:
    """きょう続いている、この世帯の会議: この窓口が開いたものか、書く人が出席しているもの。出ていない会議で知らせたことにはできない。"""
    attended = handle.rights.attends(household_id) if handle.rights else []
    convenes = "conference" in unit.publishes
    if not (convenes or attended):
        return {}
    values = {"household": household_id, "today": japan_day(handle.now), "convenes": convenes, "attended": attended}
    return {Forum(row.forum): row.conference_id for row in await handle.rows(_ONGOING, values)}


async def attended(handle: Read, household_id: UUID, base: str | None) -> list[dict[str, Any]]:
    """読む人が出席している、この世帯の会議。`base` は会議を開く窓口の入口。"""
    ids = handle.rights.attends(household_id) if handle.rights and base is not None else []
    rows = await handle.rows(_ATTENDED, {"ids": ids}) if ids else []
    return [{"label": Forum(row.forum).label, "href": f"{base}/meetings/{row.conference_id}", "until": row.closed_on or row.ends_on} for row in rows]
