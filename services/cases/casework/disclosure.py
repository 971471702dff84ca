"""氏名を受付に照会する: つなぎが届いたら、そのつなぎの根拠を添えて尋ね、写しを持つ。受付が止まっていれば、間をあけて尋ね直す。"""

from uuid import UUID

from services.cases.casework import identity
from services.cases.casework.profile import Profile
from services.cases.casework.referral import Referral
from shared.contracts.disclosure import NOT_YET, Disclosure, DisclosureRequest, Question
from shared.contracts.event import HouseholdId, LegalBasis, ReferralId
from shared.messaging import Handlers, Intent, WorkerContext
from shared.runtime.database import Transaction

KIND = "disclosure"
SUBJECT = "svc.intake.disclose"
#: what intake answers while it has not heard of a referral that another desk made


class NotYetKnown(Exception):
    """Intake will hear of the referral; the intent is tried again with growing pauses."""


async def ask(tx: Transaction, referral: Referral, *, why: str = "") -> None:
    """Leaves the question to the worker. The same question is asked once; `why` makes it a new one."""
    question = Question(referral.referral_id, referral.household_id, referral.legal_basis, referral.referral_id)
    basis = await identity.COPIES.asked(tx, question)
    payload = {"referral": str(referral.referral_id), "household": str(referral.household_id), "basis": basis.value}
    tx.intend(KIND, f"{referral.referral_id}{why and ':'}{why}", payload)


def register(handlers: Handlers, profile: Profile) -> None:
    @handlers.intent(KIND)
    async def ask_intake(intent: Intent, context: WorkerContext) -> None:
        referral_id = ReferralId(UUID(intent.payload["referral"]))
        async with context.db.read() as rd:
            if not await identity.COPIES.is_wanted(rd, referral_id):
                return  # declined or withdrawn meanwhile: there is no ground left to ask on
        request = DisclosureRequest(
            asker=profile.unit,
            household_id=HouseholdId(UUID(intent.payload["household"])),
            purpose="referral",
            legal_basis=LegalBasis(intent.payload["basis"]),
            referral_id=referral_id,
        )
        answer = Disclosure.model_validate_json(await context.request(SUBJECT, request.model_dump_json().encode()))
        if answer.refused in NOT_YET:
            raise NotYetKnown
        async with context.db.transaction() as tx:
            await identity.COPIES.keep(tx, referral_id, answer)
