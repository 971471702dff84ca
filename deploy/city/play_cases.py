"""分野の窓口の操作を、casework の関数で再生する（読む → 決める → 保存する）。"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from deploy.city.commands import AcceptReferral, AdvanceCase, CloseCase, Command, DeclineReferral, RecordFact, WriteNote
from services.cases.casework import basis, closing, consents, facts, heard, identity, note, records, referral, store
from services.cases.casework import case as cases
from services.cases.casework.case import Case
from services.cases.casework.decision import Caseworker
from services.cases.casework.facts import Entry, Fact
from services.cases.casework.household import Household
from services.cases.casework.note import Note
from services.cases.casework.profile import Profile, Rules
from shared.contracts import consent_said
from shared.contracts.case import CaseState
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId, Confidence, HouseholdId, MemberId, Month
from shared.contracts.referral import DeclineReason
from shared.desk.wareki import japan_day
from shared.runtime.database import Transaction


@dataclass
class CaseDesk:
    """One domain's desk, with the caseworker who does everything in this history."""

    profile: Profile
    by: Caseworker
    #: the desk works by the rules of the last day throughout: the system had none of its own ten years ago
    rules: Rules

    def meet(self, command: Command) -> None:
        """Nothing to remember: a case desk finds everything in its own tables."""

    async def play(self, tx: Transaction, batch: Sequence[Command]) -> None:
        sitting = _Sitting(self, tx)
        for command in batch:
            tx.now = command.at
            await sitting.play(command)


@dataclass
class _Sitting:
    """One transaction of a desk. A case it has locked stays as it left it, so it is read once."""

    desk: CaseDesk
    tx: Transaction
    cases: dict[UUID, Case | None] = field(default_factory=dict)
    written: dict[UUID, list[Fact]] = field(default_factory=dict)
    households: dict[UUID, Household] = field(default_factory=dict)

    async def play(self, command: Command) -> None:
        match command:
            case AcceptReferral():
                await self._accept(command)
            case DeclineReferral():
                await self._decline(command)
            case RecordFact():
                await self._record(command)
            case AdvanceCase():
                await self._advance(command)
            case WriteNote():
                await self._write(command)
            case CloseCase():
                await self._close(command)

    async def _accept(self, command: AcceptReferral) -> None:
        """Somebody may have answered by hand meanwhile, or opened a case: then it is theirs."""
        on, by, rules = japan_day(command.at), self.desk.by, self.desk.rules
        found = await store.referral_to_change(self.tx, command.referral.id)
        if not found.state.waiting:
            return
        outcome = referral.accept(found, seen=found.version, by=by, on=on)
        existing = await self._open(command)
        if existing:
            opened = cases.join(existing, outcome.state, on=on, rules=rules)
        else:
            opened = cases.open_case(
                outcome.state, case_id=CaseId(command.case), by=by, on=on, rules=rules,
                consents=await consents.WORDS.of_household(self.tx, found.household_id), otherwise=self.desk.profile.basis,
            )  # fmt: skip
        await self._save(opened)
        await store.save_referral(self.tx, outcome, case_id=opened.state.case_id)

    async def _decline(self, command: DeclineReferral) -> None:
        found = await store.referral_to_change(self.tx, command.referral.id)
        if found.state.waiting:
            reason = DeclineReason(command.reason)
            await store.save_referral(self.tx, referral.decline(found, reason, seen=found.version, by=self.desk.by, on=japan_day(command.at)))
            await identity.COPIES.forget(self.tx, found.referral_id, found.household_id)

    async def _record(self, command: RecordFact) -> None:
        case = await self._open(command)
        if case is None:
            return
        known, on = await self._facts(case.household_id), japan_day(command.at)
        member = MemberId(command.member) if command.member else None
        agreed = await consents.WORDS.of_household(self.tx, case.household_id)
        given = consent_said.of(agreed, member) if member else consent_said.of_all(agreed, case.member_ids)
        entry = Entry(
            fact_id=command.fact, kind=command.kind, value=command.value, member_id=member, since=_month(command.since), as_of=on,
            confidence=Confidence(command.confidence), legal_basis=basis.usual(given, self.desk.profile.basis),
        )  # fmt: skip
        household = await self._household(case.household_id)
        outcome = facts.record(
            case, entry, household=household, known=known, consents=agreed, by=self.desk.by, on=on, profile=self.desk.profile, rules=self.desk.rules
        )  # fmt: skip
        await records.add_fact(self.tx, outcome)
        self.written.pop(case.household_id)

    async def _advance(self, command: AdvanceCase) -> None:
        case, to = await self._open(command), CaseState(command.state)
        if case and to in case.next_states():
            await self._save(cases.change_state(case, to, seen=case.version, on=japan_day(command.at), rules=self.desk.rules))

    async def _write(self, command: WriteNote) -> None:
        case = await self._open(command)
        if case is None:
            return
        on = japan_day(command.at)
        written = Note(
            note_id=command.note, case_id=case.case_id, happened_on=on, method=command.method, partner=command.partner, shared=command.shared,
            private=command.private, minutes=None, next_action="", next_due=None, by=self.desk.by, written_at=command.at,
        )  # fmt: skip
        await records.add_note(self.tx, note.write(case, written, on=on, rules=self.desk.rules).state)
        await self._save(note.follow(case, written, rules=self.desk.rules))

    async def _close(self, command: CloseCase) -> None:
        case = await self._open(command)
        if case is None:
            return
        waiting = len(await store.waiting_from_here(self.tx, case.household_id, self.desk.profile.unit))
        closed = closing.close(case, command.reason, seen=case.version, on=japan_day(command.at), rules=self.desk.rules, waiting=waiting)
        await self._save(closed, reason=command.reason)

    # what this transaction has seen ------------------------------------------------------------------------------------

    async def _open(self, command: Command) -> Case | None:
        """この世帯の開いているケース。"""
        if command.household not in self.cases:
            self.cases[command.household] = await store.open_case_of(self.tx, HouseholdId(command.household))
        return self.cases[command.household]

    async def _save(self, outcome: Outcome[Case], *, reason: str | None = None) -> None:
        await store.save_case(self.tx, outcome, self.desk.by, reason=reason)
        case = outcome.state
        self.cases[case.household_id] = None if case.closed else case

    async def _facts(self, household: HouseholdId) -> list[Fact]:
        if household not in self.written:
            self.written[household] = await records.facts(self.tx, household)
        return self.written[household]

    async def _household(self, household: HouseholdId) -> Household:
        if household not in self.households:
            self.households[household] = await heard.household(self.tx, household)
        return self.households[household]


def _month(day: date | None) -> Month | None:
    return f"{day:%Y-%m}" if day else None
