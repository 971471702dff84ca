"""氏名を受付に照会する: つなぎか見守りの根拠を添えて尋ね、写しを持つ。受付が止まっていれば、間をあけて尋ね直す。"""

from uuid import UUID

from services.outreach import identity
from services.outreach.referral import Referral
from services.outreach.watch import Watch
from shared.contracts.disclosure import NOT_YET, Disclosure, DisclosureRequest, Question
from shared.contracts.event import HouseholdId, LegalBasis, ReferralId
from shared.messaging import Intent, WorkerContext
from shared.runtime.database import Transaction

KIND = "disclosure"
SUBJECT = "svc.intake.disclose"
#: what intake answers while it has not heard of a referral that another desk made


class NotYetKnown(Exception):
    """Intake will hear of the referral; the intent is tried again with growing pauses."""


def about_referral(referral: Referral) -> Question:
    return Question(referral.referral_id, referral.household_id, referral.legal_basis, referral.referral_id)


def about_watch(watch: Watch) -> Question:
    """つなぎのない見守り。受付は、この窓口あてのつなぎがある世帯だけに答える。"""
    return Question(watch.plan_id, watch.household_id, watch.legal_basis)


async def ask(tx: Transaction, question: Question, *, why: str = "") -> None:
    """Leaves the question to the worker. The same question is asked once; `why` makes it a new one."""
    basis = await identity.COPIES.asked(tx, question)
    payload = {"question": question.question_id, "household": question.household_id, "basis": basis.value}
    tx.intend(KIND, f"{question.question_id}{why and ':'}{why}", payload | ({"referral": question.referral_id} if question.referral_id else {}))


async def ask_intake(intent: Intent, context: WorkerContext) -> None:
    """Runs outside a transaction. A refusal is kept and shown; only a referral that intake has yet to hear of is asked again."""
    given = intent.payload
    question_id = UUID(given["question"])
    async with context.db.read() as rd:
        if not await identity.COPIES.is_wanted(rd, question_id):
            return
    referral_id = ReferralId(UUID(given["referral"])) if "referral" in given else None
    request = DisclosureRequest(
        asker="outreach",
        household_id=HouseholdId(UUID(given["household"])),
        purpose="referral" if referral_id else "watch",
        legal_basis=LegalBasis(given["basis"]),
        referral_id=referral_id,
    )
    answer = Disclosure.model_validate_json(await context.request(SUBJECT, request.model_dump_json().encode()))
    if referral_id and answer.refused in NOT_YET:
        raise NotYetKnown
    async with context.db.transaction() as tx:
        await identity.COPIES.keep(tx, question_id, answer)
