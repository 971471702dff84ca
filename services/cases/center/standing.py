"""重層的支援会議は同意の上に立つ: 同意した人が取りやめる、同意の期間が過ぎる、断ると聞く。どれかがあれば、その日に終わる。

あとから世帯に加わった人、成年になった人、新しい同意の目的に多機関協働のプランがない人は、まだ断っていない。会議は続き、聞くまで一覧と会議の画面に出る。
"""

from datetime import date
from pathlib import Path

from services.cases.casework import consents, heard
from services.cases.casework.household import Member
from services.cases.center import PROFILE, convening, store
from services.cases.center.parameters import of_age_on
from shared.contracts import consent_said
from shared.contracts.case import FactRecorded
from shared.contracts.conference import Forum
from shared.contracts.consent import ConsentWithdrawn
from shared.contracts.consent_uses import Use, wanted
from shared.contracts.event import HouseholdId
from shared.desk.wareki import japan_day
from shared.messaging import Envelope, Handlers
from shared.runtime.database import Read, Transaction
from shared.runtime.settings import Settings
from shared.runtime.sweeps import sweep_daily


def hear_consents(handlers: Handlers, settings: Settings) -> None:
    """After casework has written what was said."""
    city = settings.city_parameters

    @handlers.on(ConsentWithdrawn)
    async def consent_withdrawn(tx: Transaction, event: ConsentWithdrawn, envelope: Envelope) -> None:
        """センターへの同意の撤回は、だれのものでも（子どもの同意も）会議を終える。"""
        if PROFILE.unit in event.recipients:
            await _break_off(tx, event.household_id)

    @handlers.on(FactRecorded)
    async def refused_at_a_desk(tx: Transaction, event: FactRecorded, envelope: Envelope) -> None:
        if event.kind == consent_said.KIND:
            await look(tx, event.household_id, city)

    async def look_at_all(tx: Transaction, on: date) -> bool:
        for household_id in await store.with_conferences(tx, Forum.CONSENTED):
            await look(tx, household_id, city)
        return False

    sweep_daily(handlers, look_at_all)


async def look(tx: Transaction, household_id: HouseholdId, city: Path | None) -> None:
    said = dict(await consents.WORDS.of_household(tx, household_id, Use.CONFERENCE))
    for member in await consents.WORDS.for_other_purposes(tx, household_id, Use.CONFERENCE):
        said.pop(member, None)  # did not say no: until asked for this purpose, lanes.py shows the conference nothing of theirs
    if convening.taken_back(await _whose(tx, household_id, city), said):
        await _break_off(tx, household_id)


async def without(handle: Read, household_id: HouseholdId, city: Path | None) -> str:
    """この会議の目的で同意のない人（続柄）。そろっていれば空。"""
    said = await consents.WORDS.of_household(handle, household_id, Use.CONFERENCE)
    other = await consents.WORDS.for_other_purposes(handle, household_id, Use.CONFERENCE)
    return convening.without_consent(await _whose(handle, household_id, city), said, other, wanted(Use.CONFERENCE, japan_day(handle.now)).words)


async def _whose(handle: Read, household_id: HouseholdId, city: Path | None) -> tuple[Member, ...]:
    today = japan_day(handle.now)
    return convening.whose_consent(await heard.household(handle, household_id), today, of_age_on(today, city))


async def _break_off(tx: Transaction, household_id: HouseholdId) -> None:
    for held in await store.drafts_of_household(tx, household_id):
        if held.convening and held.forum is Forum.CONSENTED:
            await store.save_conference(tx, convening.break_off(held, on=japan_day(tx.now)))
