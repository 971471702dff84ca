"""What a request for approval says on a page: what exactly would be told, of whom, to whom. Values for the templates, nothing decided here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.cases.casework import approvals, consents, heard, portrait, store
from services.cases.casework.access import Desk
from services.cases.casework.approval import NotApproved, Request
from services.cases.casework.case import Case
from services.cases.casework.facts import Entry
from services.cases.casework.forms import month_words
from services.cases.casework.household import Household, Member, age_about
from services.cases.casework.profile import Rules
from services.cases.casework.refer import Offer
from shared.contracts import consent_said
from shared.contracts.consent_said import Consents
from shared.contracts.consultation import ConsentState
from shared.contracts.event import MemberId
from shared.desk.wareki import to_wareki
from shared.runtime.announce import AnnouncedUnit, announced_units
from shared.runtime.auth import Staff
from shared.runtime.database import Read
from shared.runtime.policies import Gate, Level, Place, may_enter
from shared.runtime.rights import reader_of

Pairs = list[tuple[str, str]]
#: facts.cedar: 庁内で使う最小限（internal）を読む人
HEARD_BY = "福祉相談センターと、この世帯の気づきを受け取る窓口"


@dataclass(frozen=True)
class RequestView:
    """`told` は承認すれば伝わること（見出しと値）。それだけが伝わる。"""

    request: Request
    title: str
    told: Pairs
    consent: ConsentState = ConsentState.NOT_ASKED


def view(request: Request, case: Case, rules: Rules, names: Mapping[MemberId, str], titles: Mapping[str, str]) -> tuple[str, Pairs]:
    entry = request.entry
    if isinstance(entry, Entry):
        kind = rules.vocabulary.get(entry.kind)
        return f"「{kind.label if kind else entry.kind}」を知らせる", _of_fact(entry, rules, names)
    return f"{titles.get(entry.to, entry.to)}につなぐ", _of_offer(entry, case, rules, names, titles)


def _of_fact(entry: Entry, rules: Rules, names: Mapping[MemberId, str]) -> Pairs:
    kind = rules.vocabulary.get(entry.kind)
    return [
        ("だれのこと", names.get(entry.member_id, "世帯員") if entry.member_id else "世帯"),
        (kind.label if kind else entry.kind, kind.label_of(entry.value) if kind and entry.value in kind.values else entry.value),
        ("いつから", month_words(entry.since) if entry.since else ""),
        ("確かめた日", to_wareki(entry.as_of)),
        ("確からしさ", next(label for code, label, _ in portrait.CONFIDENCE if code is entry.confidence)),
        ("伝わる先", HEARD_BY),
    ]


def _of_offer(offer: Offer, case: Case, rules: Rules, names: Mapping[MemberId, str], titles: Mapping[str, str]) -> Pairs:
    return [
        ("つなぎ先", titles.get(offer.to, offer.to)),
        ("だれのこと", "、".join(names.get(member, "世帯員") for member in case.member_ids)),
        ("相談内容", "、".join(rules.topics.get(topic, topic) for topic in offer.topics)),
        ("緊急度", offer.urgency.value),
        ("氏名", "つなぎ先が受付に照会し、この根拠で受け取る"),
    ]


async def of_case(
    handle: Read, case: Case, rules: Rules, names: Mapping[MemberId, str], titles: Mapping[str, str]
) -> list[RequestView]:  # fmt: skip
    return [RequestView(one, *view(one, case, rules, names, titles)) for one in await approvals.of_case(handle, case.case_id)]


async def other_desks(handle: Read, desk: Desk, staff: Staff) -> list[AnnouncedUnit]:
    """この職員が上司である、ほかの窓口。"""
    units = [unit for unit in await announced_units(handle) if unit.accepts_referrals and unit.unit != desk.unit.code]
    return [unit for unit in units if may_enter(reader_of(staff), _place(unit), Gate.APPROVE)]


def _place(unit: AnnouncedUnit) -> Place:
    return Place("desk", unit.welfare_domain) if unit.welfare_domain else Place(unit.unit.removeprefix("cases-"))


async def waiting(handle: Read, rules: Rules, today: date) -> dict[str, Any]:
    """承認を待つ提供。世帯のことは、判断に要る続柄と年ごろまで（氏名は出さない）。"""
    titles = {unit.unit: unit.title for unit in await announced_units(handle)}
    found = [one for one in await approvals.waiting(handle) if handle.rights is None or handle.rights.may(Level.SETTLE, one.household_id)]
    rows = [await _to_settle(handle, one, rules, titles, today) for one in found]
    return {"rows": rows, "reasons": [(reason.value, reason.label) for reason in NotApproved], "at_most": approvals.AT_MOST}


async def _to_settle(handle: Read, request: Request, rules: Rules, titles: Mapping[str, str], today: date) -> RequestView:
    case = await store.case(handle, request.case_id)
    names = _without_names(await heard.household(handle, request.household_id), today)
    said = await consents.WORDS.of_household(handle, request.household_id)
    return RequestView(request, *view(request, case, rules, names, titles), _consent_of(request, case, said))


def _consent_of(request: Request, case: Case, said: Consents) -> ConsentState:
    who = request.entry.member_id if isinstance(request.entry, Entry) else None
    return consent_said.of(said, who) if who else consent_said.of_all(said, case.member_ids)


def _without_names(household: Household, today: date) -> dict[MemberId, str]:
    return {member.member_id: _role_and_age(member, today) for member in household.members}


def _role_and_age(member: Member, today: date) -> str:
    about = [f"{age_about(member.birth_month, today)}歳ごろ"] if member.birth_month else []
    about += [member.left.label] if member.left else []
    return f"{member.role.label}（{'・'.join(about)}）" if about else member.role.label
