"""訪問・見守りの操作を、outreach の関数で再生する（読む → 決める → 保存する）。"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from deploy.city.commands import CheckIn, Command, PlanWatch
from services.outreach import referral, store, watch
from services.outreach.staff import StaffRef
from services.outreach.watch import Rules, Watch
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.visit import CheckInOutcome, WatchTier
from shared.desk.wareki import japan_day
from shared.runtime.database import Transaction


@dataclass
class OutreachDesk:
    by: StaffRef
    #: of the last day of the history, throughout
    rules: Rules

    def meet(self, command: Command) -> None:
        """Nothing to remember: the desk finds everything in its own tables."""

    async def play(self, tx: Transaction, batch: Sequence[Command]) -> None:
        round_ = _Round(self, tx)
        for command in batch:
            tx.now = command.at
            match command:
                case PlanWatch():
                    await round_.plan(command)
                case CheckIn():
                    await round_.check_in(command)


@dataclass
class _Round:
    """One transaction. A watch it has locked stays as it left it, so it is read once."""

    desk: OutreachDesk
    tx: Transaction
    watches: dict[UUID, Watch] = field(default_factory=dict)

    async def plan(self, command: PlanWatch) -> None:
        """つなぎを受理して、そのまま見守りを計画する。Somebody may have answered by hand meanwhile: then it is theirs."""
        by, on = self.desk.by, japan_day(command.at)
        asked = await store.referral_to_change(self.tx, command.referral.id)
        if not asked.state.waiting:
            return
        member = MemberId(command.member) if command.member else None
        planned = watch.plan(
            command.plan, HouseholdId(command.household), member, WatchTier(command.tier), basis=asked.legal_basis, by=by, at=command.at,
            rules=self.desk.rules, others=await store.watches_to_change(self.tx, HouseholdId(command.household)),
        )  # fmt: skip
        await store.add_watch(self.tx, planned)
        await store.save_referral(self.tx, referral.accept(asked, seen=asked.version, by=by, on=on), plan_id=command.plan)
        self.watches[command.plan] = planned.state

    async def check_in(self, command: CheckIn) -> None:
        running = self.watches.get(command.plan) or await store.watch_to_change(self.tx, command.plan)
        if not running.running:
            return
        made = watch.CheckIn(command.check, CheckInOutcome(command.outcome), command.at, command.until)
        outcome: Outcome[Watch] = watch.check_in(running, made, seen=running.version, by=self.desk.by, now=command.at, rules=self.desk.rules)
        await store.save_check_in(self.tx, outcome, made)
        self.watches[command.plan] = outcome.state
