"""What each member said about sharing, and for what it is enough."""

from collections.abc import Collection

from sqlalchemy import select

from services.cases.casework import tables
from services.cases.casework.case import Case
from shared.contracts import consent_said
from shared.contracts.consent_uses import Use, use_of, wanted
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, MemberId
from shared.desk.wareki import japan_day
from shared.runtime.consents import NewestWords
from shared.runtime.database import Read

WORDS = NewestWords(tables.consent, Use.SUPPORT)
t = WORDS.table


async def for_target(handle: Read, case: Case, to: str) -> ConsentState:
    """`to` につなぐときの同意。目的か相手を限って同意した人がいて、`to` が入っていなければ「まだ」。"""
    use = use_of(to, japan_day(handle.now))
    state = case.consent if use is Use.SUPPORT else consent_said.of_all(await WORDS.of_household(handle, case.household_id, use), case.member_ids)
    limited = (t.c.household_id == case.household_id, t.c.member_id.in_(case.member_ids), t.c.recipients.is_not(None))
    rows = await handle.rows(select(t.c.recipients).where(*limited))
    return ConsentState.NOT_ASKED if state is ConsentState.GIVEN and any(to not in row.recipients for row in rows) else state


async def lacks(handle: Read, household_id: HouseholdId, members: Collection[MemberId], use: Use = Use.SUPPORT) -> str:
    """`members` の同意に足りない目的（画面の言葉）。足りないのが目的でなければ空。"""
    missing = await WORDS.for_other_purposes(handle, household_id, use) & set(members)
    return wanted(use, japan_day(handle.now)).words if missing else ""
