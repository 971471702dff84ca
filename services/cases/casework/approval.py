"""承認: 「明らかに本人の利益」（個情法69条2項4号）で知らせてよいかを、求めた人とは別の上司が決める (domain.md §1.3)。

承認されるまで、打たれたことはこの窓口の中にあり、何も知らせない。承認されたとき、同じ決まり（`facts.record`、`refer.refer`）でもう一度決める。
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.cases.casework.case import Case
from services.cases.casework.decision import Caseworker
from services.cases.casework.facts import Entry
from services.cases.casework.refer import Offer
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId, HouseholdId
from shared.runtime.problems import Refusal


class RequestState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        return {"waiting": "承認待ち", "approved": "承認済", "declined": "承認されなかった", "withdrawn": "取り下げ"}[self.value]

    @property
    def done(self) -> str:
        """「◯◯さんが先に〜」の言い方。"""
        return {"approved": "承認しました", "declined": "承認しないことにしました", "withdrawn": "取り下げました"}.get(self.value, "決めました")


class NotApproved(StrEnum):
    """[D] 承認しないわけ。求めた人が次に何をすればよいかを言う。"""

    ASK_THE_PERSON = "ask_the_person"
    ANOTHER_BASIS = "another_basis"
    TELL_LESS = "tell_less"
    NOT_CLEARLY = "not_clearly"
    MAY_HARM = "may_harm"
    OTHER = "other"

    @property
    def label(self) -> str:
        return {
            "ask_the_person": "本人に聞いて、同意を得られる", "another_basis": "ほかの根拠で知らせられる", "tell_less": "知らせることが多すぎる",
            "not_clearly": "本人の利益になることが明らかでない", "may_harm": "権利利益を害するおそれがある", "other": "その他（下に書く）",
        }[self.value]  # fmt: skip


class WhyMissing(Refusal):
    status = 422
    code = "why_not_asked_missing"
    sentence = "本人の同意を得られないわけを書いてください。上司が読んで決めます（この窓口の中だけに残ります）。"


class OwnRequest(Refusal):
    status = 403
    code = "own_request"
    sentence = "自分で求めた承認を、自分で決めることはできません。ほかの管理者に頼んでください。"


class NotYours(Refusal):
    status = 403
    code = "not_yours"
    sentence = "取り下げられるのは、承認を求めた本人だけです。求めた職員に頼むか、管理者に「承認しない」と決めてもらってください。"


class ReasonMissing(Refusal):
    status = 422
    code = "reason_missing"
    sentence = "承認しないわけを選んでください。「その他」なら、一言書いてください。"


class AlreadySettled(Refusal):
    code = "already_settled"
    sentence = "この求めは、もう決まっています。一覧を開き直してください。"


class StillWaiting(Refusal):
    """The decision was refused when it was taken again: nothing is told, the request stays."""

    code = "still_waiting"
    sentence = "いまは承認できません。求めはこのまま残ります。"

    def __init__(self, why: str = "") -> None:
        super().__init__(f"いまは承認できません: {why}求めはこのまま残ります。求めた職員と話し、直してから押すか、「承認しない」を選んでください。")


class AlreadyTold(Refusal):
    code = "already_told"
    sentence = "同じ様式からの記録が、もうあります。"


@dataclass(frozen=True, slots=True)
class Request:
    """承認を待つ提供。`entry` は打たれたまま、`words` は承認しないときの一言で、どちらもこの窓口から出ない。"""

    request_id: UUID
    household_id: HouseholdId
    case_id: CaseId
    entry: Entry | Offer
    why_not_asked: str
    by: Caseworker
    asked_at: datetime
    state: RequestState = RequestState.WAITING
    settled_by: Caseworker | None = None
    settled_at: datetime | None = None
    reason: NotApproved | None = None
    words: str = ""

    @property
    def waits(self) -> bool:
        return self.state is RequestState.WAITING


def ask(case: Case, entry: Entry | Offer, why_not_asked: str, *, by: Caseworker, at: datetime) -> Outcome[Request]:
    """承認を求める。本人に聞けないわけがなければ WhyMissing。番号は様式のもの: 二度押しは一つの求め。"""
    if not why_not_asked:
        raise WhyMissing(fields={"why_not_asked": WhyMissing.sentence})
    number = entry.fact_id if isinstance(entry, Entry) else entry.referral_id
    return Outcome(Request(number, case.household_id, case.case_id, entry, why_not_asked, by, at))


def approve(request: Request, *, by: Caseworker, at: datetime) -> Outcome[Request]:
    """承認する。自分の求めなら OwnRequest、ほかの人が先なら AlreadySettled、同じ人の二度押しは同じ答え。"""
    return Outcome(_by_another(request, RequestState.APPROVED, by, at))


def decline(request: Request, reason: NotApproved | None, words: str, *, by: Caseworker, at: datetime) -> Outcome[Request]:
    """承認しない。わけがなければ（「その他」なら一言も）ReasonMissing。"""
    if reason is None:
        raise ReasonMissing(fields={"reason": ReasonMissing.sentence})
    if reason is NotApproved.OTHER and not words:
        raise ReasonMissing(fields={"words": ReasonMissing.sentence})
    settled = _by_another(request, RequestState.DECLINED, by, at)
    return Outcome(settled if settled is request else replace(settled, reason=reason, words=words))


def withdraw(request: Request, *, by: Caseworker, at: datetime) -> Outcome[Request]:
    """求めた人が取り下げる。ほかの人なら NotYours、もう決まっていれば AlreadySettled。"""
    if request.by.sub != by.sub:
        raise NotYours
    return Outcome(_settled(request, RequestState.WITHDRAWN, by, at))


def _by_another(request: Request, state: RequestState, by: Caseworker, at: datetime) -> Request:
    if request.by.sub == by.sub:
        raise OwnRequest
    return _settled(request, state, by, at)


def _settled(request: Request, state: RequestState, by: Caseworker, at: datetime) -> Request:
    """The same answer of the same person once more changes nothing: it gives back `request` itself."""
    if request.waits:
        return replace(request, state=state, settled_by=by, settled_at=at)
    first = request.settled_by
    if request.state is state and first and first.sub == by.sub:
        return request
    raise AlreadySettled(f"{first.name if first else 'ほかの職員'}さんが先に{request.state.done}。開き直してください。")
