"""見守り: 計画と安否確認の続き。いま期限を過ぎているもの、一度不在だったものも混ぜる。"""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from deploy.city.life import Life


def keep_watch(life: Life) -> None:
    """見守りのある世帯: 期間のはじめに計画し、段階の間隔で安否を確かめる。"""
    tier = life.household.watch
    if not tier:
        return
    interval = timedelta(days=life.rates["watch_days"][tier])
    window = timedelta(days=life.rates["check_in_window_days"][tier])
    stops = interval * 1.6 if life.chance(life.rates["overdue"]) else interval * life.rng.uniform(0.1, 0.8)
    registered = datetime.combine(life.first, time(), UTC) + timedelta(days=2)
    at = _waking(max(life.until - window + interval * life.rng.random(), registered))
    watched = max((m for m in life.household.members), key=lambda m: m.age)
    last = life.until - stops
    if at >= last:
        return
    plan = life.diary.watch(at, tier, watched, "（架空の相談）一人でいる時間が長く、様子を見てほしい。")
    while (at := at + interval * life.rng.uniform(0.75, 0.95)) < last:
        _check(life, plan, at)
    _check(life, plan, last, sure=True)


def _check(life: Life, plan: UUID, at: datetime, *, sure: bool = False) -> None:
    """ふだんは会えるか声を聞ける。不在なら、その日のうちか次の日に確かめ直す。"""
    if not sure and life.chance(life.rates["absent"]):
        life.diary.check_in(at, plan, "absent")
        at += timedelta(hours=life.rng.uniform(2, 9))
    outcome = life.rng.choices(("met", "voice", "known_away"), (60, 35, 5))[0]
    back = (at + timedelta(days=life.rates["watch_days"][life.household.watch] - 1)).date()
    life.diary.check_in(at, plan, outcome, back if outcome == "known_away" else None)


def _waking(at: datetime) -> datetime:
    """日本時間の9時から16時のあいだに寄せる。"""
    return at.replace(hour=at.hour % 7)
