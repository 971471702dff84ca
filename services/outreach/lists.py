"""Lists: E3 見守り名簿, つなぎ. One query each; a row knows how to say itself."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import text

from services.outreach import access
from services.outreach.heard import age_about
from services.outreach.referral import ReferralState
from shared.contracts.consent_uses import Use, wanted
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.disclosure import asking_of
from shared.contracts.household import Area, LeavingReason, MemberRole
from shared.contracts.referral import DeclineReason
from shared.contracts.visit import CheckInOutcome
from shared.desk.wareki import JST, age_on, japan_day
from shared.runtime.database import Read

PAGE = 50
Show = Literal["overdue", "today", "all", "ended"]
_WHERE: dict[str, str] = {
    "overdue": "x.ended_on is null and x.next_due < :now",
    "today": "x.ended_on is null and x.next_due >= :now and x.next_due < :tomorrow",
    "all": "x.ended_on is null",
    "ended": "x.ended_on is not null",
}
#: 行の名前になる人: 見守る人。世帯の見守りなら、世帯主、いなければ年長の人
_WHO = """
  left join lateral (select m.* from member m where m.household_id = x.household_id and {mine}
    order by (m.left_reason is null) desc, (m.role = 'head') desc, m.birth_month nulls last limit 1) who on true
  left join identity i on i.household_id = x.household_id and i.member_id = who.member_id
  left join household h on h.household_id = x.household_id
"""
_ASKED = "array(select d.state from disclosure d where d.household_id = x.household_id) as asked"
_COLUMNS = f"x.*, who.role, who.birth_month, who.left_reason, i.name, i.kana, i.birth, h.area, {_ASKED}"
_WATCHES = f"""
select {_COLUMNS} from watch x {_WHO.format(mine="(x.member_id is null or m.member_id = x.member_id)")} where {{where}}
order by {{order}}, x.plan_id limit {PAGE} offset :skip
"""  # noqa: S608 — the pieces are our own constants
#: 同意は一人ずつ。つないだ人の全員が、この窓口の目的で同意してはじめて「同意あり」
_AGREED = """
  (select case
     when bool_and(coalesce(c.state, 'not_asked') = 'given' and (c.purposes is null or c.purposes && cast(:purposes as text[]))) then 'given'
     when bool_or(c.state = 'refused') then 'refused' else 'not_asked' end
   from unnest(x.member_ids) as one(member_id) left join consent c on c.household_id = x.household_id and c.member_id = one.member_id) as agreed
"""
_REFERRALS = f"""
select {_COLUMNS}, {_AGREED}, d.consultation_text, d.refused
from referral x {_WHO.format(mine="(x.member_ids = '{{}}' or m.member_id = any(x.member_ids))")}
  left join disclosure d on d.question_id = x.referral_id
where (x.state in ('received', 'held')) = :waiting
order by {{order}}, x.referral_id limit {PAGE} offset :skip
"""  # noqa: S608


@dataclass(frozen=True)
class Row:
    """What the rows of both lists share: who it is about."""

    row: Any
    now: datetime

    @property
    def today(self) -> date:
        return japan_day(self.now)

    @property
    def name(self) -> str:
        return self.row.name or asking_of(set(self.row.asked)).sentence

    @property
    def kana(self) -> str:
        return self.row.kana or ""

    @property
    def about(self) -> str:
        """続柄・年齢・地区。誕生日が分かれば満年齢、生年月だけなら「ごろ」。"""
        row = self.row
        age = f"{age_on(row.birth, self.today)}歳" if row.birth else f"{age_about(row.birth_month, self.today)}歳ごろ" if row.birth_month else ""
        return "・".join(filter(None, (MemberRole(row.role).label if row.role else "", age, Area(row.area).label if row.area else "")))


@dataclass(frozen=True)
class WatchRow(Row):
    #: 終えた理由。この世帯のすべてを見てよい職員にだけ
    ended: str = ""

    @property
    def left(self) -> str:
        """見守る人が世帯を離れていれば、その理由。"""
        return LeavingReason(self.row.left_reason).label if self.row.left_reason else ""

    @property
    def alarming(self) -> bool:
        return bool(self.row.last_outcome == CheckInOutcome.ALARMING)

    @property
    def due(self) -> tuple[str, str]:
        return due_words(self.row.next_due, self.now)

    @property
    def last(self) -> str:
        return CheckInOutcome(self.row.last_outcome).label if self.row.last_outcome else ""


@dataclass(frozen=True)
class ReferralRow(Row):
    #: 相談の内容。この世帯のすべてを見てよい職員にだけ
    told: str = ""

    @property
    def state(self) -> ReferralState:
        return ReferralState(self.row.state)

    @property
    def due(self) -> tuple[str, str]:
        left = (self.row.reply_due - self.today).days
        return (f"{-left}日超過", "danger") if left < 0 else ("今日", "warning") if left == 0 else (f"あと{left}日", "warning" if left <= 3 else "")

    @property
    def urgency(self) -> Urgency:
        return Urgency(self.row.urgency)

    @property
    def consent(self) -> ConsentState:
        return ConsentState(self.row.agreed)

    @property
    def reason(self) -> str:
        return DeclineReason(self.row.decline_reason).label if self.row.decline_reason else ""


def due_words(due: datetime, now: datetime) -> tuple[str, str]:
    """期限までの言い方と色: あと3日・今日・2日超過。過ぎたその日のうちは「期限切れ」。"""
    left = (japan_day(due) - japan_day(now)).days
    if due < now:
        return (f"{-left}日超過" if left else "期限切れ"), "danger"
    return ("今日", "warning") if left == 0 else (f"あと{left}日", "info")


def _tomorrow(now: datetime) -> datetime:
    return datetime.combine(japan_day(now) + timedelta(days=1), time(), JST)


def _bound(show: str, now: datetime) -> dict[str, object]:
    named = {"now": now, "tomorrow": _tomorrow(now)}
    return {name: value for name, value in named.items() if f":{name}" in _WHERE[show]}


async def watches(handle: Read, show: Show, page: int = 1) -> list[WatchRow]:
    """異変を先頭に、期限の早い順。"""
    order = "x.ended_on desc" if show == "ended" else "(x.last_outcome = 'alarming') desc nulls last, x.next_due"
    statement = text(_WATCHES.format(where=_WHERE[show], order=order))
    rows = await handle.rows(statement, {"skip": (page - 1) * PAGE} | _bound(show, handle.now))
    return [WatchRow(row, handle.now, (row.end_reason or "") if access.sees_whole(handle, row.household_id) else "") for row in rows]


async def counts(handle: Read) -> dict[str, int]:
    """絞り込みごとの件数と、返事を待つつなぎの件数。"""
    shown = ", ".join(f"count(*) filter (where {where}) as {show}" for show, where in _WHERE.items())
    waiting = "(select count(*) from referral where state in ('received', 'held')) as referrals"
    row = await handle.row(text(f"select {shown}, {waiting} from watch x"), {"now": handle.now, "tomorrow": _tomorrow(handle.now)})  # noqa: S608
    assert row is not None
    return dict(row._mapping)


async def referrals(handle: Read, *, waiting: bool, page: int = 1) -> list[ReferralRow]:
    """返事を待つものは返信期限の順、返事をしたものは新しい順（先頭の50件）。"""
    order = "x.reply_due, x.urgency" if waiting else "x.answered_on desc nulls last"
    bound = {"waiting": waiting, "skip": (page - 1) * PAGE, "purposes": sorted(wanted(Use.OUTREACH, japan_day(handle.now)).purposes)}
    rows = await handle.rows(text(_REFERRALS.format(order=order)), bound)
    return [ReferralRow(row, handle.now, (row.consultation_text or "") if access.sees_whole(handle, row.household_id) else "") for row in rows]
