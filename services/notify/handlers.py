"""便りを聞いて、気づきを決める。One transaction per batch: knowledge, alerts, their events and clocks commit together or not at all."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from services.notify import erasure, escalation, review, store, watch
from services.notify.deadlines import day_of
from services.notify.facts import HEARD, Told, hear
from services.notify.household import HouseholdFacts
from services.notify.notice import notice, without_withdrawn
from services.notify.parameters import Parameters, parameters_on
from shared.contracts.consent import ConsentWithdrawn
from shared.contracts.event import Event
from shared.messaging import Envelope, Handlers, Kept, Timer
from shared.runtime import telemetry
from shared.runtime.database import Transaction
from shared.runtime.receipts import Released, answer_withdrawals
from shared.runtime.unusual import Relation

#: households read in one transaction (a matter of memory and of how long the loop is busy, not of welfare)
AT_ONCE = 200


def handlers(city: Path | None) -> Handlers:
    """`city` は市のパラメータの folder。"""

    def parameters(moment: datetime) -> Parameters:
        day: date = day_of(moment)
        return parameters_on(day, city)

    registry = Handlers(relation=Relation("select household_id from alert where household_id = any(:households)"))
    erasure.register(registry, city)

    async def released(tx: Transaction, event: ConsentWithdrawn, envelope: Envelope) -> Released:
        """氏名も文も持たない。消すのは、気づきに残る根拠の写し。知識の事実は、記録した窓口が取り下げる。"""
        return Released(await take_in(tx, event, envelope))

    answer_withdrawals(registry, "notify", released)

    @registry.on(*HEARD)
    async def heard(tx: Transaction, event: Event, envelope: Envelope) -> None:
        await take_in(tx, event, envelope)

    async def take_in(tx: Transaction, event: Event, envelope: Envelope) -> int:
        """知識に加え、その世帯のルールを見る。古い便りなら、届き終わるのを待つ（`settle`）。撤回で気づきから消えた根拠の数を返す。"""
        given = parameters(tx.now)
        kept = await store.household(tx, event.household_id)
        facts = hear(kept.facts, event, Told(envelope.source, envelope.time, envelope.seq))
        if facts == kept.facts:
            return 0
        late = tx.now - envelope.time > timedelta(hours=given.late_hours)
        await store.keep(tx, facts, tx.now if late else kept.late_at)
        if late and kept.late_at is None:
            tx.schedule("settle", "all", tx.now + timedelta(seconds=given.late_settle_seconds))
        elif not late and kept.late_at is None:
            await _judge(tx, facts, given, envelope)
        return await _without_withdrawn(tx, facts, given) if isinstance(event, ConsentWithdrawn) else 0

    knowledge = registry.projection("knowledge", Kept("household", beside=("heard_at", "late_at")), doubted=store.LACKS_GROUNDS)

    @knowledge.fed_in_batches_by(*HEARD)
    async def learned(tx: Transaction, run: Sequence[tuple[Event, Envelope]]) -> None:
        """作り直しのとき: 知識だけを、同じ聞き方で。気づきも時計も動かさない。"""
        known = await store.known_of(tx, (event.household_id for event, _ in run))
        for event, envelope in run:
            known[event.household_id] = hear(known[event.household_id], event, Told(envelope.source, envelope.time, envelope.seq))
        await store.keep_known(tx, known.values())

    @registry.timer("settle")
    async def settle(tx: Transaction, due: Timer) -> None:
        """古い便りが途切れたら、聞いた世帯を一度だけ判定する。何か言う世帯だけ、自分の取引（`judge`）で。"""
        given = parameters(tx.now)
        quiet = timedelta(seconds=given.late_settle_seconds)
        last = await store.last_late(tx)
        if last is not None and tx.now - last < quiet:
            tx.schedule("settle", "all", last + quiet)
            return
        found = await store.late_households(tx, due.household_id, AT_ONCE)
        speaking = {one.id for one in found if review.speaks(one, tx.now, given, late=True)}
        await store.no_longer_late(tx, {one.id for one in found} - speaking)
        _each_alone(tx, speaking)
        if len(found) == AT_ONCE:
            tx.schedule("settle", "all", tx.now, found[-1].id)

    @registry.timer(review.KIND)
    async def review_day(tx: Transaction, due: Timer) -> None:
        """便りがなくても、日がたつだけで当てはまる気づきを見直す。`due.household_id` は、きょう見終えた最後の世帯。"""
        given = parameters(tx.now)
        found = await store.households_to_review(tx, due.household_id, AT_ONCE)
        _each_alone(tx, {one.id for one in found if review.speaks(one, tx.now, given)})
        if len(found) == AT_ONCE:
            tx.schedule(review.KIND, review.KEY, tx.now, found[-1].id)
        else:
            tx.schedule(review.KIND, review.KEY, await review.next_look(tx, given))

    @registry.timer("judge")
    async def judge(tx: Transaction, due: Timer) -> None:
        """一つの世帯を、自分の取引で判定する。つまずいて待つのは、その世帯だけ。"""
        assert due.household_id is not None
        given = parameters(tx.now)
        kept = await store.household(tx, due.household_id)
        if kept.late_at is not None:
            quiet = kept.late_at + timedelta(seconds=given.late_settle_seconds)
            if tx.now < quiet:
                tx.schedule("judge", due.key, quiet, due.household_id)
                return
            await store.keep(tx, kept.facts, None)
        await _judge(tx, kept.facts, given, late=kept.late_at is not None)

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


async def _without_withdrawn(tx: Transaction, facts: HouseholdFacts, given: Parameters) -> int:
    before = await store.every_alert(tx, facts.id)
    outcomes = [outcome for one in before if (outcome := without_withdrawn(facts, one, tx.now))]
    await store.save(tx, outcomes, given)
    changed = {outcome.alert.id: outcome.alert for outcome in outcomes}
    return sum(len(one.evidence) - len(changed[one.id].evidence) for one in before if one.id in changed)


def _each_alone(tx: Transaction, households: Iterable[UUID]) -> None:
    for household_id in households:
        tx.schedule("judge", str(household_id), tx.now, household_id)


def _set_watch_clocks(tx: Transaction, facts: HouseholdFacts, given: Parameters) -> None:
    for plan in facts.watches:
        at = watch.wakes_at(plan, tx.now, given)
        if at is None:
            tx.cancel("watch_due", str(plan.id))
        else:
            tx.schedule("watch_due", str(plan.id), at, facts.id)
