"""見守り: 段階ごとの間隔で期限を置き、安否確認の結果で次の期限を決める。Pure.

確かめられた（会えた・声だけ・不在の理由が分かっている）ときだけ期限が先へ動く。不在と気配だけでは動かないので、
期限が過ぎれば notify の段取り（電話 → 近所 → 2人で訪問）が始まる。異変は、その場で期限にする。
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.outreach.parameters import Parameters
from shared.contracts.event import Event, HouseholdId, LegalBasis, MemberId, ReferralId
from shared.contracts.visit import CheckInOutcome, CheckInRecorded, WatchEnded, WatchPlanned, WatchTier
from shared.runtime.problems import ChangedMeanwhile, FormIncomplete, Refusal

JST = ZoneInfo("Asia/Tokyo")


class WatchIsEnded(Refusal):
    code = "watch_is_ended"
    sentence = "この見守りは終わっています。続けるときは、新しく計画を立ててください。"


class AwayUntilUnclear(FormIncomplete):
    code = "away_until_unclear"


@dataclass(frozen=True, slots=True)
class Watch:
    id: UUID
    household_id: HouseholdId
    member_id: MemberId | None
    tier: WatchTier
    next_due: datetime
    planned_on: date
    legal_basis: LegalBasis
    referral_id: ReferralId | None = None
    last_outcome: CheckInOutcome | None = None
    last_at: datetime | None = None
    confirmed_at: datetime | None = None
    away_until: date | None = None
    ended_on: date | None = None
    end_reason: str | None = None
    version: int = 1

    def overdue_at(self, now: datetime) -> bool:
        return self.ended_on is None and self.next_due < now


@dataclass(frozen=True, slots=True)
class Outcome:
    watch: Watch
    events: tuple[Event, ...]


def plan(
    watch_id: UUID,
    household_id: HouseholdId,
    member_id: MemberId | None,
    tier: WatchTier,
    basis: LegalBasis,
    *,
    now: datetime,
    parameters: Parameters,
    referral_id: ReferralId | None = None,
) -> Outcome:
    """見守りの計画を立てる。最初の期限は、きょうから一間隔あと。"""
    watch = Watch(watch_id, household_id, member_id, tier, _next(day_of(now), tier, parameters), day_of(now), basis, referral_id)
    return Outcome(watch, (_planned(watch, now),))


def change_tier(watch: Watch, tier: WatchTier, *, seen: int, now: datetime, parameters: Parameters) -> Outcome:
    """段階を変える。期限は、最後に確かめた日（なければきょう）から数え直す。過ぎていれば、その期限のまま残る。"""
    _guard(watch, seen, tier.value)
    since = day_of(watch.confirmed_at) if watch.confirmed_at else day_of(now)
    changed = replace(watch, tier=tier, next_due=_next(since, tier, parameters), version=watch.version + 1)
    return Outcome(changed, (_planned(changed, now),))


def check_in(watch: Watch, outcome: CheckInOutcome, *, at: datetime, now: datetime, parameters: Parameters, away_until: date | None = None) -> Outcome:
    """安否確認を記録する。"""
    if watch.ended_on is not None:
        raise WatchIsEnded
    away = _away(away_until, day_of(now), parameters) if outcome is CheckInOutcome.KNOWN_AWAY else None
    next_due = _after(watch, outcome, at, away, parameters)
    newest = watch.last_at is None or at >= watch.last_at
    confirmed = max(filter(None, (watch.confirmed_at, at if outcome.success else None)), default=None)
    seen = replace(watch, last_outcome=outcome, last_at=at, away_until=away) if newest else watch
    recorded = replace(seen, next_due=next_due, confirmed_at=confirmed, version=watch.version + 1)
    event = CheckInRecorded(
        household_id=watch.household_id, legal_basis=watch.legal_basis, plan_id=watch.id, outcome=outcome, at=at, next_due=next_due
    )
    return Outcome(recorded, (event,))


def end(watch: Watch, reason: str, *, on: date) -> Outcome:
    """見守りを終える。`reason` は区分（finished、left.died など）。"""
    if watch.ended_on is not None:
        raise WatchIsEnded
    ended = replace(watch, ended_on=on, end_reason=reason, version=watch.version + 1)
    event = WatchEnded(household_id=watch.household_id, legal_basis=watch.legal_basis, plan_id=watch.id, ended_on=on)
    return Outcome(ended, (event,))


def day_of(moment: datetime) -> date:
    """その時刻の、日本での日付。"""
    return moment.astimezone(JST).date()


def _next(since: date, tier: WatchTier, parameters: Parameters) -> datetime:
    return _due(since + timedelta(days=parameters.interval_days[tier]), parameters)


def _due(day: date, parameters: Parameters) -> datetime:
    return datetime.combine(day, parameters.due_time, JST).astimezone(UTC)


def _after(watch: Watch, outcome: CheckInOutcome, at: datetime, away: date | None, parameters: Parameters) -> datetime:
    """次の期限。あとから書いた古い記録で、期限が戻ることはない。"""
    match outcome:
        case CheckInOutcome.MET | CheckInOutcome.VOICE:
            following = _next(day_of(at), watch.tier, parameters)
            return max(following, watch.next_due) if watch.confirmed_at and at < watch.confirmed_at else following
        case CheckInOutcome.KNOWN_AWAY:
            assert away is not None
            return _due(away + timedelta(days=parameters.after_return_days), parameters)
        case CheckInOutcome.ALARMING:
            return min(watch.next_due, at)
        case CheckInOutcome.ABSENT | CheckInOutcome.SIGNS_OF_LIFE:
            return watch.next_due


def _away(until: date | None, today: date, parameters: Parameters) -> date:
    if until is None:
        raise AwayUntilUnclear("いつ戻るかを入れてください。", fields={"away_until": "いつ戻るかを入れてください（例 今日、+3、R8.12.1）。"})
    if until < today:
        raise AwayUntilUnclear("戻る日が過ぎています。", fields={"away_until": "戻る日は、きょう以降にしてください。"})
    if until > today + timedelta(days=parameters.max_away_days):
        sentence = f"{parameters.max_away_days}日より先です。長い不在なら、見守りを終えるか、近い日を入れて見直してください。"
        raise AwayUntilUnclear(sentence, fields={"away_until": sentence})
    return until


def _guard(watch: Watch, seen: int, yours: str) -> None:
    if watch.ended_on is not None:
        raise WatchIsEnded
    if watch.version != seen:
        raise ChangedMeanwhile(theirs={"段階": watch.tier.value}, yours={"段階": yours})


def _planned(watch: Watch, now: datetime) -> WatchPlanned:
    return WatchPlanned(
        household_id=watch.household_id,
        legal_basis=watch.legal_basis,
        plan_id=watch.id,
        member_id=watch.member_id,
        tier=watch.tier,
        next_due=watch.next_due,
        planned_on=day_of(now),
    )
