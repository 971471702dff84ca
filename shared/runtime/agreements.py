"""同意が始まる・変わる・終わる・撤回される: 窓口の根拠が改まり、同意だけで持っていた写しは消え、撤回には残したものの根拠を添えて受領を返す。"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID, uuid5

from shared.contracts import consent_said
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, ReceiptsMissed
from shared.contracts.consent_said import Change, Said
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId, UnitCode
from shared.contracts.referral import ReferralMade
from shared.desk.wareki import JST, japan_day
from shared.runtime.consents import NewestWords
from shared.runtime.copies import Copies
from shared.runtime.database import Transaction
from shared.runtime.receipts import Released, answer_withdrawals

if TYPE_CHECKING:
    from shared.messaging import Envelope, Handlers, Timer

#: 支援・安否確認の記録は、文書管理の保存期間が終わるまで残る
CASE_RECORD = "CASE_RECORD"
ENDS = "consent_ends"


class Standing(Protocol):
    """What of a desk stands on the consents of a household (a case, a watch)."""

    async def hold(self, tx: Transaction, household_id: HouseholdId) -> None:
        """Locks it before a consent is written, so that nobody opens or changes it on what was said before."""

    async def other_ground(self, tx: Transaction, household_id: HouseholdId) -> LegalBasis | None:
        """The ground other than consent on which it stood all along."""

    async def follow(self, tx: Transaction, household_id: HouseholdId) -> None:
        """Puts it on the ground that the consents of now give."""

    async def ask_again(self, tx: Transaction, household_id: HouseholdId, why: UUID) -> None:
        """Asks the owner of the names once more for everything that stands: what is refused goes."""

    async def hide(self, tx: Transaction, household_id: HouseholdId, member_id: MemberId) -> int:
        """Hides what the desk itself wrote on that person's consent. How many."""

    async def keeps_records(self, tx: Transaction, household_id: HouseholdId) -> bool: ...


@dataclass(frozen=True, slots=True)
class Agreements:
    unit: UnitCode
    words: NewestWords
    copies: Copies
    standing: Standing

    async def hear(self, tx: Transaction, said: Said | None, *, why: UUID) -> None:
        if said is None:
            return
        await self.standing.hold(tx, said.household_id)
        await self.settle(tx, said.household_id, await self.words.say(tx, said), why=why)

    async def hear_beside(self, tx: Transaction, event: ReferralMade, source: UnitCode, at: datetime) -> Change:
        """A referral says whether its people agreed: the ground follows. The names are asked for again only when a consent is lost by it."""
        await self.standing.hold(tx, event.household_id)
        changes = [await self.words.say(tx, said) for said in consent_said.by_referral(event, source, at)]
        change = max(changes, default=Change.NOTHING)
        if change is Change.LOST:
            await self.settle(tx, event.household_id, change, why=event.referral_id)
        elif change:
            await self.standing.follow(tx, event.household_id)
        return change

    async def take_back(self, tx: Transaction, household_id: HouseholdId, source_ids: Sequence[UUID], *, why: UUID) -> None:
        await self.standing.hold(tx, household_id)
        await self.settle(tx, household_id, await self.words.take_back(tx, *source_ids), why=why)

    async def settle(self, tx: Transaction, household_id: HouseholdId, change: Change, *, why: UUID) -> None:
        """The grounds follow, and the owner of the names is asked again."""
        if not change:
            return
        if change is Change.LOST:
            await self._lost(tx, household_id)
        await self.standing.follow(tx, household_id)
        await self.standing.ask_again(tx, household_id, why)

    async def _lost(self, tx: Transaction, household_id: HouseholdId) -> None:
        """Before the ground follows: names that were told on consent stay on the other ground, if there was one all along."""
        if other := await self.standing.other_ground(tx, household_id):
            await self.copies.move_ground(tx, household_id, other)

    async def end(self, tx: Transaction, household_id: HouseholdId) -> None:
        """期間が終わった。受付が止まっていても、写しはきょう消える。取り直されていれば、何もしない。"""
        await self.standing.hold(tx, household_id)
        if over := await self.words.ended(tx, household_id, japan_day(tx.now)):
            await self._lost(tx, household_id)
        for member in over:
            await self.copies.release(tx, household_id, member)
        await self.standing.follow(tx, household_id)

    async def release(self, tx: Transaction, event: ConsentWithdrawn, envelope: "Envelope") -> Released:
        household_id, member_id = event.household_id, event.member_id
        await self.standing.hold(tx, household_id)
        change = await self.words.say(tx, consent_said.by_withdrawal(event, envelope.time))
        if consent_said.of(await self.words.of_household(tx, household_id), member_id) is ConsentState.GIVEN:
            return Released(kept_under=(LegalBasis.CONSENT.value,))  # given again here, after it was taken back there
        if change is Change.LOST:
            await self._lost(tx, household_id)
        await self.standing.follow(tx, household_id)
        removed = await self.copies.release(tx, household_id, member_id) + await self.standing.hide(tx, household_id, member_id)
        return Released(removed, await self._kept(tx, household_id, member_id))

    async def _kept(self, tx: Transaction, household_id: HouseholdId, member_id: MemberId) -> tuple[str, ...]:
        other = [basis.value for basis in await self.copies.grounds_of(tx, household_id, member_id) if basis is not LegalBasis.CONSENT]
        return (*other, *([CASE_RECORD] if await self.standing.keeps_records(tx, household_id) else []))


def hear_agreements(handlers: "Handlers", desk: Agreements) -> None:
    """Of the facts of others, a desk hears only the consent: whose it is, and that it changed."""

    @handlers.on(FactRecorded)
    async def fact_recorded(tx: Transaction, event: FactRecorded, envelope: "Envelope") -> None:
        await desk.hear(tx, consent_said.by_fact(event, envelope.source, envelope.time), why=event.fact_id)

    @handlers.on(FactRetracted)
    async def fact_retracted(tx: Transaction, event: FactRetracted, envelope: "Envelope") -> None:
        await desk.take_back(tx, event.household_id, [event.fact_id], why=retracted(event.fact_id))

    @handlers.on(ConsentGiven)
    async def consent_given(tx: Transaction, event: ConsentGiven, envelope: "Envelope") -> None:
        if desk.unit in event.recipients:
            tx.schedule(ENDS, str(event.consent_id), day_after(event.valid_to), event.household_id)
            await desk.hear(tx, consent_said.by_consent(event, envelope.time), why=event.consent_id)

    @handlers.timer(ENDS)
    async def consent_ends(tx: Transaction, due: "Timer") -> None:
        assert due.household_id is not None
        await desk.end(tx, HouseholdId(due.household_id))

    answer_withdrawals(handlers, desk.unit, desk.release)
    handlers.ignore(ReceiptsMissed)


def retracted(fact_id: UUID) -> UUID:
    """The reason for asking again when a consent was a mistake: another than when it was said."""
    return uuid5(fact_id, "retracted")


def day_after(last: date) -> datetime:
    """その日が終わったとき（日本時間の翌日0時）。"""
    return datetime.combine(last + timedelta(days=1), time(), JST)
