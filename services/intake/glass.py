"""緊急閲覧（break-glass）: 理由をつけ、一つの世帯を、60分だけ、読むだけ。保護された世帯では二人目が立ち会う。desk.md §3.4。

世帯があるかどうかは答えない: 見えない世帯と、ない世帯には、同じ「立会い待ち」を返す。
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.intake.consultation import StaffRef
from shared.contracts.access import BreakGlassOpened, BreakGlassReason, BreakGlassReviewed, Verdict
from shared.contracts.decision import Outcome
from shared.contracts.event import HouseholdId, LegalBasis
from shared.runtime.business_days import Calendar
from shared.runtime.problems import FormIncomplete, Refusal

SHORTEST = 10
BASIS = LegalBasis.INTERNAL_69_2_2


class GlassState(StrEnum):
    WAITING = "waiting"
    OPENED = "opened"
    REFUSED = "refused"
    REVIEWED = "reviewed"

    @property
    def label(self) -> str:
        return {"waiting": "立会いの確認待ち", "opened": "開いた（点検待ち）", "refused": "認めなかった", "reviewed": "点検済み"}[self.value]


class GlassIncomplete(FormIncomplete):
    code = "glass_incomplete"
    sentence = "開いていません。次のところを直してください。"


class NotYours(Refusal):
    status = 403
    code = "not_yours"
    sentence = "自分の緊急閲覧に、自分で立ち会うことや点検することはできません。ほかの職員に頼んでください。"


class GlassSettled(Refusal):
    code = "glass_settled"
    sentence = "この緊急閲覧は、ほかの職員がもう扱いました。一覧を開き直してください。"


class NoSuchHousehold(Refusal):
    code = "no_such_household"
    sentence = "この番号の世帯はありません。または、この職員には見せない世帯です。「認めない」を選んでください。"


@dataclass(frozen=True, slots=True)
class Lasting:
    """`minutes` 読める長さ、`review_days` 点検までの開庁日。"""

    minutes: int
    review_days: int
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Glass:
    """`known` は、その世帯があり、この職員と利害関係がないこと。"""

    id: UUID
    household_id: HouseholdId
    known: bool
    by: StaffRef
    reason: BreakGlassReason
    note: str
    asked_at: datetime
    state: GlassState = GlassState.WAITING
    second: StaffRef | None = None
    opened_at: datetime | None = None
    until: datetime | None = None
    review_due: date | None = None
    reviewed_by: str | None = None
    verdict: Verdict | None = None
    escalated_at: datetime | None = None

    def overdue(self, today: date) -> bool:
        return self.state is GlassState.OPENED and self.review_due is not None and self.review_due < today


def check(reason: str, note: str) -> BreakGlassReason:
    """GlassIncomplete unless there is a reason of the list and a sentence."""
    problems = {}
    if reason not in set(BreakGlassReason):
        problems["reason"] = "理由を選んでください。"
    if len(note.strip()) < SHORTEST:
        problems["note"] = f"いま読まなければならない事情を{SHORTEST}字以上で書いてください。"
    if problems:
        raise GlassIncomplete(fields=problems)
    return BreakGlassReason(reason)


def ask(asked: Glass, *, at_once: bool, today: date, lasting: Lasting) -> Outcome[Glass]:
    """ふつうの世帯はすぐ開く。そうでなければ、立会いを待つ。"""
    return _open(asked, None, asked.asked_at, today, lasting) if at_once else Outcome(asked)


def witness(asked: Glass, by: StaffRef, *, at: datetime, today: date, lasting: Lasting) -> Outcome[Glass]:
    """二人目が立ち会って開く。"""
    _to_settle(asked, by)
    if not asked.known:
        raise NoSuchHousehold
    return _open(asked, by, at, today, lasting)


def refuse(asked: Glass, by: StaffRef) -> Outcome[Glass]:
    _to_settle(asked, by)
    return Outcome(replace(asked, state=GlassState.REFUSED, second=by))


def review(opened: Glass, by: StaffRef, verdict: Verdict) -> Outcome[Glass]:
    """管理者の点検。"""
    if by.sub in (opened.by.sub, opened.second.sub if opened.second else None):
        raise NotYours
    if opened.state is not GlassState.OPENED:
        raise GlassSettled
    event = BreakGlassReviewed(household_id=opened.household_id, legal_basis=BASIS, access_id=opened.id, by=by.sub, verdict=verdict)
    return Outcome(replace(opened, state=GlassState.REVIEWED, reviewed_by=by.name, verdict=verdict), (event,))


def _to_settle(asked: Glass, by: StaffRef) -> None:
    if by.sub == asked.by.sub:
        raise NotYours
    if asked.state is not GlassState.WAITING:
        raise GlassSettled


def _open(asked: Glass, second: StaffRef | None, at: datetime, today: date, lasting: Lasting) -> Outcome[Glass]:
    until = at + timedelta(minutes=lasting.minutes)
    due = lasting.calendar.after(today, lasting.review_days)
    opened = replace(asked, state=GlassState.OPENED, second=second, opened_at=at, until=until, review_due=due)
    event = BreakGlassOpened(
        household_id=asked.household_id, legal_basis=BASIS, access_id=asked.id, staff=asked.by.sub, second=second.sub if second else None,
        reason=asked.reason, until=until,
    )  # fmt: skip
    return Outcome(opened, (event,))
