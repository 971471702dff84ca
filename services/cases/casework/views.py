"""What a page shows: values for the templates, nothing decided here."""

from typing import Any
from uuid import UUID, uuid4

from services.cases.casework import approval_views, approvals, basis, consents, heard, identity, involvement, lanes, lists, openings, portrait, store
from services.cases.casework.access import Desk, may_write
from services.cases.casework.case import Case
from services.cases.casework.forms import in_days
from services.cases.casework.note import Note
from services.cases.casework.profile import Rules
from shared.contracts import consent_said
from shared.contracts.conference import Forum
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import LegalBasis
from shared.contracts.referral import DeclineReason
from shared.desk.wareki import age_on, japan_day
from shared.runtime.announce import announced_units, referral_targets
from shared.runtime.auth import Staff
from shared.runtime.database import Read
from shared.runtime.policies import ORDINARY, Level

#: codes of what a page gives, for the audit
ON_LISTS = ("name",)
SUMMARY_OF_CASE = ("name", "birth", "phone", "address", "facts", "involvement")
WHOLE_CASE = (*SUMMARY_OF_CASE, "consultation", "notes")
CONSENT_TONE = {ConsentState.GIVEN: "success", ConsentState.REFUSED: "warning", ConsentState.NOT_ASKED: "neutral"}
CONSENT_WORDS = {ConsentState.GIVEN: "同意あり", ConsentState.REFUSED: "同意なし", ConsentState.NOT_ASKED: "同意はまだ"}
URGENCY_TONE = {Urgency.A: "danger", Urgency.B: "warning", Urgency.C: "info", Urgency.D: "neutral"}


def common(handle: Read, desk: Desk, staff: Staff) -> dict[str, Any]:
    today = japan_day(handle.now)
    return {
        "base": desk.unit.base,
        "today": today,
        "rules": desk.rules(today),
        "writes": may_write(staff, desk),
        "decline_reasons": [(reason.value, reason.label) for reason in DeclineReason],
        "urgency_tone": URGENCY_TONE,
        "consent_tone": CONSENT_TONE,
        "consent_words": CONSENT_WORDS,
    }


async def board(handle: Read, desk: Desk, staff: Staff, tab: str, page: int) -> dict[str, Any]:
    """C1 担当ケース。"""
    shown = common(handle, desk, staff)
    today, unit = shown["today"], desk.unit.code
    counts = await lists.counts(handle, me=staff.sub, today=today, unit=unit)
    return shown | {
        "tab": tab,
        "counts": counts,
        "cases": await lists.cases(handle, tab, me=staff.sub, today=today, page=page),
        "incoming": await lists.referrals(handle, "in", unit=unit, today=today) if counts.incoming else [],
        "titles": {found.unit: found.title for found in await announced_units(handle)},
        "openings": await openings.of_mine(handle, staff),
        "approvals": await approvals.of_mine(handle, staff.sub),
        "page": page,
        "pages": -(-getattr(counts, tab) // lists.PAGE),
        "back": "",
    }


async def referral_list(handle: Read, desk: Desk, staff: Staff, tab: str, page: int) -> dict[str, Any]:
    """C7 つなぎ票。"""
    shown = common(handle, desk, staff)
    unit = desk.unit.code
    count = {name: await lists.count_referrals(handle, name, unit=unit) for name in ("in", "out", "done")}
    return shown | {
        "tab": tab,
        "count": count,
        "referrals": await lists.referrals(handle, tab, unit=unit, today=shown["today"], page=page),
        "titles": {found.unit: found.title for found in await announced_units(handle)},
        "page": page,
        "pages": -(-count[tab] // lists.PAGE),
        "back": "referrals",
    }


_NOTE = ("method", "partner", "shared", "private", "minutes", "next_action", "next_due")


def listed(shown: dict[str, Any]) -> list[UUID]:
    """Every household on a list page, for the audit."""
    rows = [row.row.household_id for name in ("cases", "incoming", "referrals") for row in shown.get(name, ())]
    return rows + [one.household_id for name in ("openings", "approvals") for one in shown.get(name, ())]


def note_values(corrects: Note | None = None) -> dict[str, Any]:
    """空の様式、または訂正する記録を写した様式。"""
    values = {name: (getattr(corrects, name) if corrects else None) or "" for name in _NOTE}
    return values | {
        "note_id": uuid4(),
        "happened_on": corrects.happened_on if corrects else "今日",
        "corrects": corrects.note_id if corrects else "",
        "told": "",
    }


def _bases(found: tuple[LegalBasis, ...]) -> list[tuple[str, str, str]]:
    """値・言葉・その根拠でさらに聞くこと。"""
    return [(one.value, basis.LABELS[one], _asks(one)) for one in found]


def _asks(one: LegalBasis) -> str:
    return " ".join([*(["harm"] if one in basis.HARM_CHECKED else []), *(["why"] if basis.needs_approval(one) else [])])


#: 根拠によって、さらに聞くこと
_ASKED = {"harm_checked": "", "harm_note": "", "why_not_asked": ""}


def fact_values(case: Case, desk: Desk, kind: str, rules: Rules) -> dict[str, Any]:
    scope = rules.vocabulary[kind].scope if kind in rules.vocabulary else "member"
    one = str(case.member_ids[0]) if scope == "member" and len(case.member_ids) == 1 else ""
    return {"fact_id": uuid4(), "kind": kind, "value": "", "member_id": one, "since": "", "as_of": "今日", "confidence": "reported",
            "legal_basis": basis.usual(case.consent, desk.profile.basis).value, "evidence": ""} | _ASKED  # fmt: skip


def refer_values(case: Case, desk: Desk) -> dict[str, Any]:
    return {"referral_id": uuid4(), "to": "", "topics": case.topics, "urgency": case.urgency.value,
            "legal_basis": basis.usual(case.consent, desk.profile.basis).value} | _ASKED  # fmt: skip


async def case_page(handle: Read, desk: Desk, staff: Staff, case: Case, *, tab: str, kind: str = "", correct: Note | None = None) -> dict[str, Any]:
    """C2 ケース。受付やほかの窓口が止まっていても、この窓口の写しだけで開く。"""
    shown = common(handle, desk, staff)
    today, rules = shown["today"], shown["rules"]
    household = await heard.household(handle, case.household_id)
    who = await identity.of_household(handle, case.household_id)
    seen = await lanes.seen(handle, case.household_id)
    known = seen.facts
    said = await consents.WORDS.of_household(handle, case.household_id)
    written = await lanes.notes(handle, case)
    notes = written.notes
    conferences = await lanes.ongoing(handle, desk.unit, case.household_id) if shown["writes"] else basis.NO_CONFERENCE
    convenes = desk.profile.convenes
    if not (shown["writes"] or (handle.rights and handle.rights.may(Level.FULL, case.household_id))):
        notes, known, who = portrait.for_readers(notes, known, who)
    views = portrait.members(household, who, known, case, rules, today)
    names = {view.member.member_id: view.name for view in views}
    units = await announced_units(handle)
    titles = {unit.unit: unit.title for unit in units}
    referrals = await store.referrals_of_case(handle, case.case_id)
    stage_names, stage = portrait.stages(case.state)
    bar = who.first(case.member_ids, household)
    return shown | {
        "case": case,
        "tab": tab,
        "who": who,
        "bar": bar,
        "bar_age": age_on(bar.birth, today) if bar and bar.birth else None,
        "household": household,
        "members": views,
        "household_facts": [portrait.said(fact, rules) for fact in known if fact.current and fact.member_id is None],
        "due": in_days(case.next_due, today),
        "stages": stage_names,
        "stage": stage,
        "entries": await portrait.timeline(handle, case, notes, who, referrals, rules),
        "asked": portrait.asked(rules, known, names),
        "referrals": referrals,
        "waiting": sum(1 for referral in referrals if referral.from_unit == desk.unit.code and referral.state.waiting),
        "others": involvement.others(
            await heard.traces(handle, case.household_id), own=desk.unit.code, desks={unit.unit: (unit.title, unit.base) for unit in units}
        ),
        "titles": titles,
        "targets": [(unit.unit, unit.title) for unit in await referral_targets(handle) if unit.unit != desk.unit.code],
        "withheld": seen.withheld,
        "withheld_notes": written.withheld,
        "tells": Forum.CONFIDENTIAL in conferences and not convenes,
        "openings": await openings.of_household(handle, case.household_id, staff) if shown["writes"] else [],
        "conferences": await lanes.attended(handle, case.household_id, next((unit.base for unit in units if unit.base == "/center"), None)),
        "alerts": f"/_part/household/{case.household_id}/alerts" if any(unit.base == "/" for unit in units) else None,
        "updated": await store.last_change(handle, case.case_id),
        "mine": case.caseworker.sub == staff.sub,
        "me": staff.sub,
        "guarded": handle.rights is not None and handle.rights.special.get(case.household_id, ORDINARY).protected,
        "opens_everywhere": "coordinator" in staff.roles,
        "consent_of": {view.member.member_id: consent_said.of(said, view.member.member_id) for view in views},
        "bases": _bases(basis.choices(desk.profile.bases, conferences, convenes=convenes)),
        "refer_bases": _bases(basis.choices(desk.profile.bases, convenes=convenes)),
        "approvals": await approval_views.of_case(handle, case, rules, names, titles) if shown["writes"] else [],
        "methods": [(method.code, method.label) for method in rules.methods],
        "kinds": [(question.kind, rules.vocabulary[question.kind].label) for question in rules.asked if question.kind in rules.vocabulary],
        "member_options": [(view.member.member_id, view.name, view.age) for view in views],
        "confidences": [(code.value, label, note) for code, label, note in portrait.CONFIDENCE],
        "note": note_values(correct),
        "fact": fact_values(case, desk, kind, rules),
        "refer": refer_values(case, desk),
        "suspend": {"reason": "", "watch_on": ""},
        "close": {"close_reason": ""},
        "writing": False,
        "errors": {},
    }
