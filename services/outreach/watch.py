"""見守り: 段階ごとの間隔で期限を置き、安否確認の結果で次の期限を決める。

確かめられた（会えた・声だけ・不在の理由が分かっている）ときだけ、期限が先へ動く。不在と気配だけでは動かないので、
期限が過ぎれば段取り（電話 → 近所 → 2人で訪問、R-105）が始まる。異変は、その場で期限にする。
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from services.outreach.staff import StaffRef
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.contracts.visit import CheckInOutcome, CheckInRecorded, WatchEnded, WatchPlanned, WatchTier
from shared.desk.wareki import JST, japan_day
from shared.runtime.problems import ChangedMeanwhile, Refusal


class WatchHasEnded(Refusal):
    code = "watch_has_ended"
    sentence = "この見守りは終わっています。続けるときは、新しく見守りを計画してください。"


class AlreadyWatched(Refusal):
    code = "already_watched"
    sentence = "この人の見守りは、もう計画されています。段階を変えるときは見守り名簿から開き、つなぎには「すでに関わっている」と返事をします。"


class FutureCheckIn(Refusal):
    status = 422
    code = "future_check_in"
    sentence = "これからの時刻は記録できません。確かめた日と時刻を入れ直してください。"


class CheckInBeforePlan(Refusal):
    status = 422
    code = "check_in_before_plan"
    sentence = "見守りを計画した日より前の日は記録できません。日付を確かめてください。"


class ReturnUnclear(Refusal):
    status = 422
    code = "return_unclear"
    sentence = "いつまで不在かを入れてください（例 +3、R8.12.1）。分からなければ「不在」で記録してください。"


class CallFirst(Refusal):
    status = 422
    code = "call_first"
    sentence = "記録より先に、119・110・センターへ連絡してください。連絡したら「連絡した」に印をつけて、もう一度押してください。"


class EndReasonMissing(Refusal):
    status = 422
    code = "end_reason_missing"
    sentence = "見守りを終える理由を書いてください。"


@dataclass(frozen=True, slots=True)
class Rules:
    """見守りの、ある日の決まり。期間の単位は日、`due_time` は期限の日の日本時間。"""

    interval_days: Mapping[WatchTier, int]
    due_time: time
    longest_away_days: int


@dataclass(frozen=True, slots=True)
class Watch:
    """見守り一つ。`member_id` がなければ世帯を見守る。`confirmed_at` は最後に安否が確かめられた時刻。"""

    plan_id: UUID
    household_id: HouseholdId
    member_id: MemberId | None
    tier: WatchTier
    legal_basis: LegalBasis
    next_due: datetime
    planned_on: date
    changed_by: StaffRef
    last_outcome: CheckInOutcome | None = None
    last_at: datetime | None = None
    confirmed_at: datetime | None = None
    ended_on: date | None = None
    end_reason: str | None = None
    version: int = 1

    @property
    def running(self) -> bool:
        return self.ended_on is None


@dataclass(frozen=True, slots=True)
class CheckIn:
    """安否確認の記録一つ。`check_in_id` は様式が持ってくるので、二度押しても一つになる。`memo` はこの窓口の外へ出ない。"""

    check_in_id: UUID
    outcome: CheckInOutcome
    at: datetime
    until: date | None = None
    memo: str = ""
    called: bool = False


def plan(
    plan_id: UUID,
    household_id: HouseholdId,
    member_id: MemberId | None,
    tier: WatchTier,
    *,
    basis: LegalBasis,
    by: StaffRef,
    at: datetime,
    rules: Rules,
    others: Iterable[Watch] = (),
) -> Outcome[Watch]:
    """見守りを計画する。最初の期限は、計画した日から一間隔あと。`others` はその世帯のほかの見守り。同じ人の見守りがあれば AlreadyWatched。"""
    if any(other.running and other.member_id == member_id for other in others):
        raise AlreadyWatched
    today = japan_day(at)
    made = Watch(plan_id, household_id, member_id, tier, basis, _after(today, tier, rules), today, by)
    return Outcome(made, (_planned(made, today),))


def change_tier(watch: Watch, tier: WatchTier, *, seen: int, by: StaffRef, at: datetime, rules: Rules) -> Outcome[Watch]:
    """段階を変える。期限は近づくことはあっても先へは延びない（過ぎた期限を、段階の変更で消さない）。"""
    _must_run(watch, seen, {"段階": (watch.tier.value, tier.value)})
    if tier is watch.tier:
        return Outcome(watch)
    due = min(watch.next_due, _after(japan_day(at), tier, rules))
    changed = replace(watch, tier=tier, next_due=due, changed_by=by, version=watch.version + 1)
    return Outcome(changed, (_planned(changed, japan_day(at)),))


def check_in(watch: Watch, made: CheckIn, *, seen: int, by: StaffRef, now: datetime, rules: Rules) -> Outcome[Watch]:
    """安否確認を記録する。終わっていれば WatchHasEnded、先の時刻なら FutureCheckIn、異変で連絡がまだなら CallFirst。"""
    _must_run(watch, seen, {"最後の結果": (_said(watch.last_outcome, watch.last_at), _said(made.outcome, made.at))})
    _must_make_sense(watch, made, now, rules)
    confirmed = max((moment for moment in (watch.confirmed_at, made.at if made.outcome.success else None) if moment), default=None)
    newest = watch.last_at is None or made.at >= watch.last_at
    recorded = replace(
        watch,
        next_due=_next_due(watch, made, rules),
        confirmed_at=confirmed,
        last_outcome=made.outcome if newest else watch.last_outcome,
        last_at=made.at if newest else watch.last_at,
        changed_by=by,
        version=watch.version + 1,
    )
    event = CheckInRecorded(**_about(watch), outcome=made.outcome, at=made.at, next_due=recorded.next_due)
    return Outcome(recorded, (event,))


def end(watch: Watch, reason: str, *, seen: int, by: StaffRef, on: date) -> Outcome[Watch]:
    """見守りを終える。理由は文で残し、この窓口の外へ出さない。"""
    _must_run(watch, seen, {"見守り": ("続いている", "終える")})
    if not reason:
        raise EndReasonMissing(fields={"reason": EndReasonMissing.sentence})
    ended = replace(watch, ended_on=on, end_reason=reason, changed_by=by, version=watch.version + 1)
    return Outcome(ended, (WatchEnded(**_about(watch), ended_on=on),))


def _must_run(watch: Watch, seen: int, difference: Mapping[str, tuple[str, str]]) -> None:
    if not watch.running:
        raise WatchHasEnded
    if watch.version != seen:
        raise ChangedMeanwhile(
            f"{watch.changed_by.name}さんが先に更新しました。画面を開き直し、まだ要る記録なら、もう一度入れてください。",
            theirs={label: theirs for label, (theirs, _) in difference.items()},
            yours={label: yours for label, (_, yours) in difference.items()},
        )


def _must_make_sense(watch: Watch, made: CheckIn, now: datetime, rules: Rules) -> None:
    if made.at > now:
        raise FutureCheckIn(fields={"clock": FutureCheckIn.sentence})
    if japan_day(made.at) < watch.planned_on:
        raise CheckInBeforePlan(fields={"on": CheckInBeforePlan.sentence})
    if made.outcome is CheckInOutcome.ALARMING and not made.called:
        raise CallFirst(fields={"called": CallFirst.sentence})
    if made.outcome is CheckInOutcome.KNOWN_AWAY:
        _must_return(made.until, japan_day(made.at), rules)


def _must_return(until: date | None, day: date, rules: Rules) -> None:
    sentence = ""
    if until is None:
        sentence = ReturnUnclear.sentence
    elif until < day:
        sentence = "不在の終わりは、確かめた日かその後の日を入れてください。"
    elif until > day + timedelta(days=rules.longest_away_days):
        sentence = f"{rules.longest_away_days}日より先です。長い不在なら、近い日を入れて見直すか、見守りを終えてください。"
    if sentence:
        raise ReturnUnclear(sentence, fields={"until": sentence})


def _next_due(watch: Watch, made: CheckIn, rules: Rules) -> datetime:
    """あとから書いた古い記録は、新しい確認の期限を戻さず、そのあとの異変を打ち消さない。"""
    if made.outcome is CheckInOutcome.ALARMING:
        return min(watch.next_due, made.at)
    if not made.outcome.success:
        return watch.next_due
    away = made.until if made.outcome is CheckInOutcome.KNOWN_AWAY else None
    due = _due(away + timedelta(days=1), rules) if away else _after(japan_day(made.at), watch.tier, rules)
    late = watch.last_at is not None and made.at < watch.last_at
    if late and watch.last_outcome is CheckInOutcome.ALARMING:
        return watch.next_due
    return max(due, watch.next_due) if late else due


def _after(day: date, tier: WatchTier, rules: Rules) -> datetime:
    return _due(day + timedelta(days=rules.interval_days[tier]), rules)


def _due(day: date, rules: Rules) -> datetime:
    return datetime.combine(day, rules.due_time, JST).astimezone(UTC)


def _said(outcome: CheckInOutcome | None, at: datetime | None) -> str:
    return f"{outcome.label}（{at.astimezone(JST):%-m/%-d %H:%M}）" if outcome and at else "まだ"


def _about(watch: Watch) -> dict[str, object]:
    return {"household_id": watch.household_id, "legal_basis": watch.legal_basis, "plan_id": watch.plan_id}


def _planned(watch: Watch, on: date) -> WatchPlanned:
    return WatchPlanned(**_about(watch), member_id=watch.member_id, tier=watch.tier, next_due=watch.next_due, planned_on=on)
