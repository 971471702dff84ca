"""便りを聞いて、気づきを決める。One transaction per batch: knowledge, alerts, their events and clocks commit together or not at all."""

from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from services.notify import escalation, store, watch
from services.notify.deadlines import day_of
from services.notify.facts import HEARD, Told, hear
from services.notify.household import HouseholdFacts
from services.notify.notice import notice
from services.notify.parameters import Parameters, parameters_on
from shared.contracts.event import Event
from shared.messaging import Envelope, Handlers, Timer
from shared.runtime import telemetry
from shared.runtime.database import Transaction

#: late households judged in one transaction
AT_ONCE = 50


def handlers(city: Path | None) -> Handlers:
    """`city` は市のパラメータの folder。"""

    def parameters(moment: datetime) -> Parameters:
        day: date = day_of(moment)
        return parameters_on(day, city)

    registry = Handlers()

    @registry.on(*HEARD)
    async def heard(tx: Transaction, event: Event, envelope: Envelope) -> None:
        """知識に加え、その世帯のルールを見る。古い便りなら、届き終わるのを待つ（`settle`）。"""
        given = parameters(tx.now)
        kept = await store.household(tx, event.household_id)
        facts = hear(kept.facts, event, Told(envelope.source, envelope.time, envelope.seq))
        if facts == kept.facts:
            return
        late = tx.now - envelope.time > timedelta(hours=given.late_hours)
        await store.keep(tx, facts, tx.now if late else kept.late_at)
        if late and kept.late_at is None:
            tx.schedule("settle", "all", tx.now + timedelta(seconds=given.late_settle_seconds))
        elif not late and kept.late_at is None:
            await _judge(tx, facts, given, envelope)

    @registry.timer("settle")
    async def settle(tx: Transaction, due: Timer) -> None:
        """古い便りが途切れたら、聞いた世帯をまとめて一度だけ判定する。"""
        given = parameters(tx.now)
        quiet = timedelta(seconds=given.late_settle_seconds)
        last = await store.last_late(tx)
        if last is not None and tx.now - last < quiet:
            tx.schedule("settle", "all", last + quiet)
            return
        households = await store.late_households(tx, AT_ONCE)
        for household_id in households:
            kept = await store.household(tx, household_id)
            await store.keep(tx, kept.facts, None)
            await _judge(tx, kept.facts, given, late=True)
        if len(households) == AT_ONCE:
            tx.schedule("settle", "all", tx.now)

    @registry.timer("watch_due")
    async def watch_due(tx: Transaction, due: Timer) -> None:
        """見守りの期限、またはその次の段の時刻が来た。便りがなくても気づく（R-105）。"""
        assert due.household_id is not None
        kept = await store.household(tx, due.household_id)
        await _judge(tx, kept.facts, parameters(tx.now))

    @registry.timer("alert_ack")
    async def alert_ack(tx: Transaction, due: Timer) -> None:
        """確認の期限が来た。まだ誰も見ていなければ、上の人へ知らせ直す。"""
        given = parameters(tx.now)
        outcome = escalation.escalate(await store.alert(tx, UUID(due.key), to_change=True), tx.now, given)
        await store.save(tx, [outcome] if outcome else [], given)

    return registry


async def _judge(tx: Transaction, facts: HouseholdFacts, given: Parameters, envelope: Envelope | None = None, *, late: bool = False) -> None:
    outcomes = notice(facts, await store.latest_alerts(tx, facts.id), tx.now, given, new_id=uuid4, late=late)
    await store.save(tx, outcomes, given, envelope)
    _set_watch_clocks(tx, facts, given)
    for outcome in outcomes:
        if outcome.announce:
            telemetry.annotate(rule_id=outcome.alert.rule_id)


def _set_watch_clocks(tx: Transaction, facts: HouseholdFacts, given: Parameters) -> None:
    for plan in facts.watches:
        at = watch.wakes_at(plan, tx.now, given)
        if at is None:
            tx.cancel("watch_due", str(plan.id))
        else:
            tx.schedule("watch_due", str(plan.id), at, facts.id)
