"""総合相談窓口の操作を、窓口自身の関数で再生する（読む → 決める → 保存する）。Run twice, nothing doubles: every command carries its ids."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from deploy.city.commands import Command, JoinHousehold, LeaveHousehold, ReceiveConsultation, RegisterHousehold, RenewConsent
from deploy.city.people import Person
from services.intake import consent, consent_store, household_store, reception, register_import
from services.intake import household as households
from services.intake.beside_paper import PURPOSES
from services.intake.consent import Consent, GivenBy, Source
from services.intake.consent_form import subject_of
from services.intake.consultation import StaffRef
from services.intake.household import Birth, Household, Member, MemberAlreadyLeft, Sex
from services.intake.household import Person as Written
from services.intake.parameters import Parameters
from services.intake.receipt_number import local_day
from services.intake.register_import import RegisteredHousehold, RegisteredMember
from services.intake.sheet import Concern, Sheet, SheetPerson
from shared.contracts.consent import ConsentForm
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.contracts.household import Area, LeavingReason, MemberRole
from shared.runtime.database import Transaction

_BASIS = LegalBasis.INTERNAL_69_2_2


@dataclass
class IntakeDesk:
    """`people` remembers who is who, because a consultation names its person as the register writes them."""

    by: StaffRef
    #: of the last day of the history, throughout
    parameters: Parameters
    people: dict[UUID, tuple[Household, Person]] = field(default_factory=dict)
    again: dict[UUID, RegisterHousehold] = field(default_factory=dict)

    def meet(self, command: Command) -> None:
        """Learns the people of a command without playing it (needed when a load is resumed)."""
        if isinstance(command, RegisterHousehold):
            home = Household(HouseholdId(command.household), Area(command.address.area), command.address.town)
            self.people |= {person.id: (home, person) for person in command.members}
            if command.duplicate_of:
                self.again[command.household] = command
        elif isinstance(command, JoinHousehold):
            self.people[command.member.id] = (Household(HouseholdId(command.household)), command.member)

    async def play(self, tx: Transaction, batch: Sequence[Command]) -> None:
        for command in batch:
            self.meet(command)
        await self._register(tx, [c for c in batch if isinstance(c, RegisterHousehold) and not c.duplicate_of])
        for command in batch:
            tx.now = command.at
            match command:
                case ReceiveConsultation():
                    await self._receive(tx, command)
                case JoinHousehold():
                    await self._join(tx, command)
                case LeaveHousehold():
                    await self._leave(tx, command)
                case RenewConsent():
                    await self._renew(tx, command)

    async def _register(self, tx: Transaction, commands: Sequence[RegisterHousehold]) -> None:
        if not commands:
            return
        tx.now = commands[0].at
        batch = [_registered(command) for command in commands]
        known = await household_store.registered_numbers(tx, [given.register_no for given in batch])
        outcome = register_import.import_batch(batch, known=known, today=local_day(tx.now), new_id=_no_new_ids)
        if outcome.state:
            await household_store.register(tx, outcome.state)
        tx.publish(*outcome.events)

    async def _receive(self, tx: Transaction, command: ReceiveConsultation) -> None:
        home, person = self.people[command.members[0]]
        again = self.again.get(command.household)
        sheet = _sheet(command, home, person, known=again is None)
        first = [person.id, command.household] if again else []
        ids = [*first, command.consultation, *(_fact_id(command, n) for n in range(len(command.concerns))), *(r.id for r in command.referrals)]
        await reception.take(tx, sheet, by=self.by, parameters=self.parameters, new_id=_in_order(ids))

    async def _join(self, tx: Transaction, command: JoinHousehold) -> None:
        home = await household_store.load(tx, command.household, lock=True)
        if any(member.id == command.member.id for member in home.members):
            return
        member = Member(MemberId(command.member.id), _written(command.member), joined_on=command.effective_on)
        outcome = households.join(home, [member], basis=_BASIS)
        await household_store.add(tx, [(home.id, member)])
        tx.publish(*outcome.events)

    async def _leave(self, tx: Transaction, command: LeaveHousehold) -> None:
        home = await household_store.load(tx, command.household, lock=True)
        reason = LeavingReason(command.reason)
        try:
            outcome = households.leave(home, command.member, reason, command.effective_on, today=local_day(command.at), basis=_BASIS)
        except MemberAlreadyLeft:
            return
        await household_store.change(tx, outcome.state.member(command.member))
        tx.publish(*outcome.events)

    async def _renew(self, tx: Transaction, command: RenewConsent) -> None:
        home, today = await household_store.load(tx, command.household), local_day(command.at)
        subject = subject_of(home.member(command.member), today)
        by_parent = subject.age is not None and subject.age < consent.ADULT
        days = self.parameters.consent_days
        made = Consent(
            command.consent, home.id, subject.member_id, PURPOSES, frozenset({command.to}), frozenset(),
            ConsentForm.WRITTEN, GivenBy.PARENT if by_parent else GivenBy.SELF, today, today, consent.last_day(today, days), command.at, Source.FORM,
            self.by.name, self.by.name,
        )  # fmt: skip
        await consent_store.hold(tx, home.id)
        await consent_store.add(tx, consent.give(made, subject=subject, targets={command.to}, today=today, longest_days=days))


def _registered(command: RegisterHousehold) -> RegisteredHousehold:
    on = local_day(command.at)
    members = tuple(_in_register(person, on) for person in command.members)
    return RegisteredHousehold(command.members[0].registry_no, Area(command.address.area), command.address.town, members, command.household)


def _in_register(person: Person, on: date) -> RegisteredMember:
    known = _written(person)
    return RegisteredMember(known.name, known.kana, known.role, person.birth, known.sex, known.phone, on, person.id)


def _written(person: Person) -> Written:
    """As the register writes this person: with the wrong reading, where there is one."""
    sex = Sex.MALE if person.sex == "M" else Sex.FEMALE
    return Written(MemberRole(person.role), person.name, person.kana_on_record, Birth(on=person.birth), sex, person.phone)


def _sheet(command: ReceiveConsultation, home: Household, person: Person, *, known: bool) -> Sheet:
    concerns = tuple(Concern(kind, value) for _, kind, value in command.concerns)
    return Sheet(
        form_key=command.consultation,
        route=command.route,
        persons=(SheetPerson(_written(person), concerns),),
        area=home.area,
        town=home.town,
        text=command.text,
        topics=command.topics,
        main_topic=command.main_topic,
        urgency=Urgency(command.urgency),
        consent=ConsentState(command.consent),
        refer_to=tuple(referral.to for referral in command.referrals),
        household_id=HouseholdId(command.household) if known else None,
    )


def _fact_id(command: ReceiveConsultation, nth: int) -> UUID:
    return UUID(int=command.consultation.int ^ (nth + 1))


def _in_order(ids: Sequence[UUID]) -> Callable[[], UUID]:
    """Hands out the ids of the history in the order in which the reception asks for them."""
    waiting: Iterator[UUID] = iter(ids)
    return lambda: next(waiting)


def _no_new_ids() -> UUID:
    raise AssertionError("the register of the fictional city brings every id along")
