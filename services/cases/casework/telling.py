"""知らせる: 事実の記録とつなぎを、いまの世帯・同意・決まりで決める。打たれたときと、上司が承認したときに、同じ道を通る。"""

from services.cases.casework import consents, facts, heard, lanes, records, refer, store
from services.cases.casework.case import Case
from services.cases.casework.decision import Caseworker
from services.cases.casework.facts import Entry, Fact
from services.cases.casework.refer import Offer
from services.cases.casework.referral import Referral
from services.cases.casework.sitting import Sitting
from shared.contracts.consent_uses import use_of
from shared.contracts.decision import Outcome
from shared.runtime.announce import referral_targets


async def fact(at: Sitting, case: Case, entry: Entry, *, by: Caseworker, approved: bool = False) -> Outcome[Fact]:
    return facts.record(
        case,
        entry,
        household=await heard.household(at.tx, case.household_id),
        known=await records.facts(at.tx, case.household_id),
        consents=await consents.WORDS.of_household(at.tx, case.household_id),
        by=by,
        on=at.typed.today,
        profile=at.desk.profile,
        rules=at.rules,
        conferences=await lanes.ongoing(at.tx, at.desk.unit, case.household_id),
        lacks=await consents.lacks(at.tx, case.household_id, (entry.member_id,) if entry.member_id else case.member_ids),
        approved=approved,
    )


async def referral(at: Sitting, case: Case, offer: Offer, *, approved: bool = False) -> Outcome[Referral]:
    return refer.refer(
        case,
        offer,
        targets=[found.unit for found in await referral_targets(at.tx)],
        waiting_at=[waiting.to_unit for waiting in await store.waiting_from_here(at.tx, case.household_id, at.desk.unit.code)],
        consent=await consents.for_target(at.tx, case, offer.to),
        lacks=await consents.lacks(at.tx, case.household_id, case.member_ids, use_of(offer.to, at.typed.today)),
        on=at.typed.today,
        profile=at.desk.profile,
        rules=at.rules,
        approved=approved,
    )
