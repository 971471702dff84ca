"""ほかの窓口から聞くこと（つなぎの返事、窓口どうしのつなぎ）と、尋ねられて答えること（身元の開示）。"""

from uuid import UUID, uuid4

from pydantic import ValidationError

from services.intake import consent_store, disclosure, disclosure_store, drafts, glass_store, household_store, kinship, protection, store
from services.intake.household import Household
from services.intake.involved import hear_involvement
from services.intake.receipt_number import local_day
from shared.contracts.disclosure import Disclosure, DisclosureRequest, Refused
from shared.contracts.referral import ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from shared.messaging import Envelope, Handlers, Timer, WorkerContext
from shared.runtime import audit, rights, seen
from shared.runtime.auth import Staff
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound, Refusal

handlers = Handlers(relation=kinship.RELATION)
hear_involvement(handlers)
seen.serve_seen(handlers, find=store.household_of_receipt)


class AskedInAnothersName(Refusal):
    """The unit that asks is not the unit it says it is."""

    status = 403
    code = "not_addressed"
    sentence = "名乗った窓口と、たずねた窓口が違います。"


class UnreadableRequest(Refusal):
    status = 422
    code = "unreadable"
    sentence = "開示の求めを読めません。"


@handlers.on(ReferralMade)
async def referral_made(tx: Transaction, event: ReferralMade, envelope: Envelope) -> None:
    """窓口どうしのつなぎも覚えておく: 開示を求められたときの根拠になる。"""
    await store.save_referrals(tx, [event], from_unit=envelope.source)


@handlers.on(ReferralAccepted)
async def referral_accepted(tx: Transaction, event: ReferralAccepted, envelope: Envelope) -> None:
    await store.answer_referral(tx, event.referral_id, envelope.source, status="accepted", answered_on=event.accepted_on, decline_reason=None)


@handlers.on(ReferralDeclined)
async def referral_declined(tx: Transaction, event: ReferralDeclined, envelope: Envelope) -> None:
    await store.answer_referral(
        tx, event.referral_id, envelope.source, status="declined", answered_on=event.declined_on, decline_reason=event.reason.value
    )


@handlers.on(ReferralHeld)
async def referral_held(tx: Transaction, event: ReferralHeld, envelope: Envelope) -> None:
    await store.answer_referral(tx, event.referral_id, envelope.source, status="held", answered_on=event.held_on, decline_reason=None)


@handlers.timer("draft")
async def draft_expired(tx: Transaction, due: Timer) -> None:
    """長く手を付けられていない下書きを消す。"""
    await drafts.expire(tx, UUID(due.key))


@handlers.timer(glass_store.KIND)
async def glass_not_reviewed(tx: Transaction, due: Timer) -> None:
    """緊急閲覧が期限までに点検されなかった。"""
    await glass_store.escalate(tx, UUID(due.key))


@handlers.serve("disclose")
async def disclose(request: bytes, context: WorkerContext, asker: str) -> bytes:
    """身元の開示。答えも断りも、記録してから返す。"""
    try:
        asked = DisclosureRequest.model_validate_json(request)
    except ValidationError:
        raise UnreadableRequest from None
    if asked.asker != asker:
        raise AskedInAnothersName
    async with context.db.transaction() as tx:
        answer = await _answer(tx, asked)
    return answer.model_dump_json().encode()


async def _answer(tx: Transaction, asked: DisclosureRequest) -> Disclosure:
    disclosure_id = uuid4()
    household = await _household(tx, asked.household_id)
    members = [member.id for member in household.present] if household else []
    consents = await consent_store.of_household(tx, asked.household_id)
    decided = disclosure.decide(asked, await disclosure_store.grounds(tx, asked.household_id), members, consents, local_day(tx.now))
    refused = decided.refused if household else Refused.UNKNOWN_HOUSEHOLD
    hides_place = await rights.is_protected(tx, asked.household_id)
    given = () if refused else ("name", "birth", *(("masked",) if hides_place else ("phone", "address")), "consultation")
    await disclosure_store.record(tx, disclosure_id, asked, refused=refused, told=() if refused else decided.told)
    await audit.record(
        tx, Staff(f"unit:{asked.asker}", "", frozenset()), "refuse" if refused else "disclose", "disclosure", disclosure_id,
        household_id=asked.household_id, returned=given, purpose=asked.purpose, legal_basis=asked.legal_basis,
        decision=audit.Decision.REFUSE if refused else audit.Decision.ALLOW,
    )  # fmt: skip
    if refused or household is None or decided.ground is None:
        return Disclosure(household_id=asked.household_id, refused=refused)
    if hides_place:
        household = protection.masked(household)
    return disclosure.disclose(disclosure_id, household, decided)


async def _household(handle: Read, household_id: UUID) -> Household | None:
    try:
        return await household_store.load(handle, household_id)
    except NotFound:
        return None
