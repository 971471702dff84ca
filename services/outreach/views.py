"""What a page shows: values for the templates, nothing decided here."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from fastapi import Request

from services.outreach import access, consents, heard, identity, lists, parameters, store
from services.outreach.identity import Identity
from services.outreach.lists import Show, due_words
from services.outreach.referral import Referral
from services.outreach.spoken import Word
from services.outreach.typed import FRESH, Again
from services.outreach.watch import Watch
from shared.contracts.codes import code_list
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.referral import DeclineReason
from shared.contracts.visit import CheckInOutcome
from shared.desk.wareki import JST, age_on, japan_day
from shared.runtime.announce import unit_titles
from shared.runtime.auth import Staff
from shared.runtime.database import Read

#: 見守る人の欄で「世帯」を選んだときの値
WHOLE = "household"
#: codes of what the page of a watch gives, for the audit
GIVEN = ("name", "birth", "phone", "address", "check_ins")
URGENCY_TONE = {Urgency.A: "danger", Urgency.B: "warning", Urgency.C: "info", Urgency.D: "neutral"}
OUTCOME_TONE = {CheckInOutcome.ALARMING: "danger", CheckInOutcome.ABSENT: "warning", CheckInOutcome.SIGNS_OF_LIFE: "warning"}
OUTCOMES = [
    (CheckInOutcome.MET, "会えた", "顔を見て", "success"),
    (CheckInOutcome.VOICE, "声だけ", "電話・戸口", "success"),
    (CheckInOutcome.ABSENT, "不在", "期限はそのまま", "warning"),
    (CheckInOutcome.SIGNS_OF_LIFE, "気配あり", "明かり・物音", "warning"),
    (CheckInOutcome.KNOWN_AWAY, "不在の理由が分かっている", "入院・旅行など", "info"),
    (CheckInOutcome.ALARMING, "異変", "先に119・110", "danger"),
]


@dataclass(frozen=True)
class Who:
    """見守る人（世帯の見守りなら、主な人）の名前まわり。写しがなければ、氏名の代わりの言葉。"""

    name: str
    kana: str
    age: str
    area: str
    phone: str
    left: str


def _common(handle: Read, staff: Staff) -> dict[str, Any]:
    today = japan_day(handle.now)
    tiers = code_list("watch_tiers", today)
    return {
        "base": "/outreach",
        "now": handle.now,
        "today": today,
        "writes": access.may_write(staff),
        "tier_labels": {entry.code: entry.label for entry in tiers.entries},
        "tiers": [(entry.code, f"{entry.code} {entry.label}", entry.hint) for entry in tiers.entries],
        "topics": dict(code_list("CL-01", today).choices()),
        "urgency_tone": URGENCY_TONE,
        "decline_reasons": [(reason.value, reason.label) for reason in DeclineReason],
        "consent_tone": {ConsentState.GIVEN: "success", ConsentState.REFUSED: "warning", ConsentState.NOT_ASKED: "neutral"},
    }


async def watch_list(handle: Read, staff: Staff, show: Show, page: int) -> dict[str, Any]:
    """E3 見守り名簿。"""
    counts = await lists.counts(handle)
    rows = await lists.watches(handle, show, page)
    return _common(handle, staff) | {"show": show, "counts": counts, "rows": rows, "page": page, "pages": -(-counts[show] // lists.PAGE)}


def listed(shown: dict[str, Any]) -> list[UUID]:
    """Every household on a list page, for the audit."""
    return [row.row.household_id for name in ("rows", "answered") for row in shown.get(name, ())]


async def referral_list(handle: Read, staff: Staff, page: int, again: Again = FRESH) -> dict[str, Any]:
    counts = await lists.counts(handle)
    return _common(handle, staff) | {
        "counts": counts,
        "rows": await lists.referrals(handle, waiting=True, page=page),
        "answered": await lists.referrals(handle, waiting=False),
        "titles": await unit_titles(handle),
        "page": page,
        "pages": -(-counts["referrals"] // lists.PAGE),
        "errors": {again.form: again.errors},
    }


async def plan_page(handle: Read, staff: Staff, household_id: HouseholdId, referral: Referral | None, again: Again = FRESH) -> dict[str, Any]:
    """見守りを計画する。つなぎがあれば、計画と同時に受理する。"""
    shown = _common(handle, staff)
    copy, here = await identity.of_household(handle, household_id), [m for m in await heard.members(handle, household_id) if m.left is None]
    options = [(str(m.member_id), _name(copy, m.member_id, m.role.label), _age(copy, m, shown["today"])) for m in here]
    wanted = [str(m) for m in referral.member_ids if str(m) in {value for value, *_ in options}] if referral else []
    values = {"plan_id": uuid4(), "member_id": wanted[0] if wanted else WHOLE, "tier": ""} | again.typed
    return shown | {
        "household_id": household_id,
        "referral": referral,
        "who": await _who(handle, household_id, referral.member_ids[0] if referral and referral.member_ids else None, copy, shown["today"]),
        "people": [*options, (WHOLE, "世帯全体", "だれかに会えれば確認とする")],
        "copy": copy,
        "value": values,
        "errors": again.errors,
    }


async def watch_page(request: Request, handle: Read, staff: Staff, watch: Watch, again: Again = FRESH) -> dict[str, Any]:
    """E2 安否確認。様式は check_in・tier・consent・end の四つ。"""
    shown = _common(handle, staff)
    said, members = await consents.WORDS.of_household(handle, watch.household_id), await heard.members(handle, watch.household_id)
    copy, whole = await identity.of_household(handle, watch.household_id), access.sees_whole(handle, watch.household_id)
    empty = dict.fromkeys(("outcome", "until", "on", "clock", "memo", "reason", "word", "heard_on"), "")
    names = {str(one.member_id): _name(copy, one.member_id, one.role.label) for one in members}
    return shown | {
        "watch": watch,
        "who": await _who(handle, watch.household_id, watch.member_id, copy, shown["today"]),
        "copy": copy,
        "due": due_words(watch.next_due, handle.now),
        "due_at": watch.next_due.astimezone(JST),
        "whole": whole,
        "items": [_item(row, whole) for row in await store.history(handle, watch.plan_id)],
        "updated": await store.last_change(handle, watch.plan_id),
        "outcomes": OUTCOMES,
        "people": list(names.items()),
        "words": [(one.value, one.label) for one in Word],
        "agreed": [(names[str(one.member_id)], said.get(one.member_id, ConsentState.NOT_ASKED).label) for one in members],
        "center_phone": parameters.center_phone(shown["today"], access.city(request)),
        "value": empty | {"version": watch.version, "check_in_id": uuid4(), "tier": watch.tier.value} | _fresh(watch) | again.typed,
        "errors": {again.form: again.errors},
    }


def _fresh(watch: Watch) -> dict[str, Any]:
    """「同意について聞いた」の、はじめの値。"""
    return {"fact_id": uuid4(), "consent_of": str(watch.member_id or "")}


def _item(row: Any, whole: bool) -> dict[str, Any]:
    outcome = CheckInOutcome(row.outcome)
    until = f"（{row.until.month}月{row.until.day}日まで）" if row.until and outcome is CheckInOutcome.KNOWN_AWAY else ""
    shown = {"at": row.at, "title": outcome.label + until, "text": row.memo if whole else "", "who": row.by_name}
    return shown | {"tone": OUTCOME_TONE.get(outcome, "success")}


def _name(copy: Identity, member_id: MemberId, otherwise: str) -> str:
    person = copy.people.get(member_id)
    return person.name if person else otherwise


def _age(copy: Identity, member: heard.Member, today: date) -> str:
    person = copy.people.get(member.member_id)
    if person and person.birth:
        return f"{age_on(person.birth, today)}歳"
    return f"{heard.age_about(member.birth_month, today)}歳ごろ" if member.birth_month else ""


async def _who(handle: Read, household_id: HouseholdId, member_id: UUID | None, copy: Identity, today: date) -> Who:
    members = await heard.members(handle, household_id)
    present = sorted((m for m in members if m.left is None), key=lambda m: m.role != "head")
    member = next((m for m in members if m.member_id == member_id), None) if member_id else next(iter(present), None)
    area = (await heard.area(handle, household_id)).label
    if member is None:
        return Who(copy.asking.sentence, "", "", area, "", "")
    person = copy.people.get(member.member_id)
    left = member.left.label if member.left else ""
    name, kana, phone = (person.name, person.kana, person.phone or "") if person else (copy.asking.sentence, "", "")
    return Who(name, kana, _age(copy, member, today), area, phone, left)
