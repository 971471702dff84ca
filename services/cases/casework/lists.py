"""Lists: C1 担当ケース, C7 つなぎ票. One query each; a row knows how to say itself."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.cases.casework.forms import in_days
from services.cases.casework.household import age_about
from services.cases.casework.referral import ReferralState
from shared.contracts.case import CaseState
from shared.contracts.consent_uses import Use, wanted
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.disclosure import Asking, asking_of
from shared.contracts.household import Area, MemberRole
from shared.contracts.referral import DeclineReason
from shared.desk.wareki import age_on
from shared.runtime.database import Read
from shared.runtime.policies import Level

PAGE = 50
#: 表の名前になる人: 主に支える人の順、いなければ年長の人
_WHO = """
  left join lateral (select i.name, i.kana, i.birth from identity i where i.household_id = x.household_id
    order by array_position(x.member_ids, i.member_id) nulls last, i.birth nulls last limit 1) who on true
  left join lateral (select m.role, m.birth_month from member m where m.household_id = x.household_id
    order by array_position(x.member_ids, m.member_id) nulls last, m.birth_month nulls last limit 1) someone on true
  left join household h on h.household_id = x.household_id
"""
_ASKED = "array(select d.state from disclosure d where d.household_id = x.household_id) as asked"
_CASES = f"""
select x.*, {_ASKED}, who.name, who.kana, who.birth, someone.role, someone.birth_month, h.area,
  (select count(*) from involvement v where v.household_id = x.household_id and v.until is null and v.kind = 'case') as other_desks
from case_file x {_WHO} where {{where}}
order by {{order}}, x.case_id limit {PAGE} offset :skip
"""  # noqa: S608 — the pieces are our own constants
_WHERE = {
    "mine": "x.state <> 'CLOSED' and x.caseworker = :me",
    "team": "x.state <> 'CLOSED'",
    "overdue": "x.state <> 'CLOSED' and x.next_due < :today",
    "closed": "x.state = 'CLOSED'",
}
#: 同意は一人ずつ。つないだ人の全員が、窓口の支援の目的で同意してはじめて「同意あり」（consent.of_all と同じ）
_AGREED = """
  (select case
     when bool_and(coalesce(c.state, 'not_asked') = 'given' and (c.purposes is null or c.purposes && cast(:purposes as text[]))) then 'given'
     when bool_or(c.state = 'refused') then 'refused' else 'not_asked' end
   from unnest(x.member_ids) as one(member_id) left join consent c on c.household_id = x.household_id and c.member_id = one.member_id) as agreed
"""
_REFERRALS = f"""
select x.*, {_AGREED}, {_ASKED}, who.name, who.kana, who.birth, someone.role, someone.birth_month, h.area, d.consultation_text, d.refused
from referral x {_WHO} left join disclosure d on d.referral_id = x.referral_id
where {{where}} order by {{order}}, x.referral_id limit {PAGE} offset :skip
"""  # noqa: S608
_REFERRALS_WHERE = {
    "in": "x.to_unit = :unit and x.state in ('received', 'held')",
    "out": "x.from_unit = :unit",
    "done": "x.to_unit = :unit and x.state not in ('received', 'held')",
}
_ORDER = {"in": "x.reply_due, x.urgency", "out": "(x.state in ('received', 'held')) desc, x.made_on desc", "done": "x.answered_on desc nulls last"}


@dataclass(frozen=True)
class Row:
    """What the rows of both lists share: who it is about, when it is due."""

    row: Any
    today: date

    @property
    def name(self) -> str:
        return self.row.name or asking_of(self.row.asked, Asking.ASKED).sentence

    @property
    def named(self) -> bool:
        return self.row.name is not None

    @property
    def kana(self) -> str:
        return self.row.kana or ""

    @property
    def age(self) -> str:
        """誕生日が分かれば満年齢、生年月だけなら「ごろ」。"""
        if self.row.birth:
            return f"{age_on(self.row.birth, self.today)}歳"
        return f"{age_about(self.row.birth_month, self.today)}歳ごろ" if self.row.birth_month else ""

    @property
    def role(self) -> str:
        return MemberRole(self.row.role).label if self.row.role else ""

    @property
    def area(self) -> str:
        return Area(self.row.area).label if self.row.area else ""

    @property
    def consent(self) -> ConsentState:
        return ConsentState(self.row.consent)

    @property
    def urgency(self) -> Urgency:
        return Urgency(self.row.urgency)


@dataclass(frozen=True)
class CaseRow(Row):
    @property
    def case_id(self) -> UUID:
        found: UUID = self.row.case_id
        return found

    @property
    def state(self) -> CaseState:
        return CaseState(self.row.state)

    @property
    def due(self) -> tuple[str, str]:
        return in_days(self.row.next_due, self.today)


@dataclass(frozen=True)
class ReferralRow(Row):
    #: 相談の内容。この世帯のすべてを見てよい職員にだけ
    told: str = ""

    @property
    def consent(self) -> ConsentState:
        """いまの同意。つないだあとで変わっていることがある。"""
        return ConsentState(self.row.agreed)

    @property
    def state(self) -> ReferralState:
        return ReferralState(self.row.state)

    @property
    def due(self) -> tuple[str, str]:
        return in_days(self.row.reply_due, self.today) if self.state.waiting else ("—", "")

    @property
    def reason(self) -> str:
        return DeclineReason(self.row.decline_reason).label if self.row.decline_reason else ""


@dataclass(frozen=True)
class Counts:
    mine: int
    team: int
    overdue: int
    closed: int
    incoming: int


async def cases(handle: Read, tab: str, *, me: str, today: date, page: int = 1) -> list[CaseRow]:
    order = "x.closed_on desc" if tab == "closed" else "x.next_due nulls last, x.opened_on"
    bound = {"skip": (page - 1) * PAGE} | ({"me": me} if tab == "mine" else {}) | ({"today": today} if tab == "overdue" else {})
    rows = await handle.rows(text(_CASES.format(where=_WHERE[tab], order=order)), bound)
    return [CaseRow(row, today) for row in rows]


async def referrals(handle: Read, tab: str, *, unit: str, today: date, page: int = 1) -> list[ReferralRow]:
    statement = text(_REFERRALS.format(where=_REFERRALS_WHERE[tab], order=_ORDER[tab]))
    bound = {"unit": unit, "skip": (page - 1) * PAGE, "purposes": sorted(wanted(Use.SUPPORT, today).purposes)}
    rows = await handle.rows(statement, bound)
    return [ReferralRow(row, today, (row.consultation_text or "") if _whole(handle, row.household_id) else "") for row in rows]


def _whole(handle: Read, household_id: UUID) -> bool:
    return handle.rights is None or handle.rights.may(Level.FULL, household_id)


async def counts(handle: Read, *, me: str, today: date, unit: str) -> Counts:
    statement = text(
        f"""select {", ".join(f"count(*) filter (where {where}) as {tab}" for tab, where in _WHERE.items())},
        (select count(*) from referral x where {_REFERRALS_WHERE["in"]}) as incoming from case_file x"""  # noqa: S608
    )
    row = await handle.row(statement, {"me": me, "today": today, "unit": unit})
    assert row is not None
    return Counts(row.mine, row.team, row.overdue, row.closed, row.incoming)


async def count_referrals(handle: Read, tab: str, *, unit: str) -> int:
    statement = text(f"select count(*) from referral x where {_REFERRALS_WHERE[tab]}")  # noqa: S608
    return int(await handle.scalar(statement, {"unit": unit}))
