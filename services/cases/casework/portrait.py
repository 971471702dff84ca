"""How one case is told: 世帯の顔ぶれ, アセスメントで聞くこと, 経過, 段階の帯. Values for the page, nothing decided here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from services.cases.casework import store
from services.cases.casework.case import PATH, Case
from services.cases.casework.facts import Fact
from services.cases.casework.forms import month_words
from services.cases.casework.household import Household, Member, age_about
from services.cases.casework.identity import Identity
from services.cases.casework.note import Note
from services.cases.casework.profile import Asked, Rules
from services.cases.casework.referral import Referral
from shared.contracts.case import CaseState
from shared.contracts.event import Confidence, MemberId
from shared.desk.wareki import age_on, japan_day
from shared.runtime.database import Read

CONFIDENCE = [
    (Confidence.CONFIRMED, "確認した", "書類や本人・家族に確かめた"),
    (Confidence.REPORTED, "聞き取り", "聞いたまま"),
    (Confidence.SUSPECTED, "疑い", "そう見える"),
]
WITHHELD = "（担当の窓口の職員だけが見られます）"
#: what was told at the reception comes before everything else of that day
_FIRST = datetime.min.replace(tzinfo=UTC)
#: where a state that is not on the path stands on it
_BESIDE = {
    CaseState.LEAD: CaseState.RECEIVED,
    CaseState.RELATION_BUILDING: CaseState.SCREENED,
    CaseState.SUSPENDED: CaseState.EVALUATING,
    CaseState.FOLLOW_UP: CaseState.CLOSED,
}


@dataclass(frozen=True)
class MemberView:
    member: Member
    name: str
    kana: str
    age: str
    phone: str
    facts: tuple[str, ...]
    main: bool

    @property
    def left(self) -> str:
        return self.member.left.label if self.member.left else ""


@dataclass(frozen=True)
class FactView:
    fact: Fact
    who: str
    value: str
    since: str
    confidence: str


@dataclass(frozen=True)
class AskedView:
    """聞くこと一つと、いまの記録。"""

    kind: str
    label: str
    ask: str
    known: tuple[FactView, ...]


def age_of(member: Member, people: Identity, today: date) -> str:
    person = people.people.get(member.member_id)
    if person and person.birth:
        return f"{age_on(person.birth, today)}歳"
    return f"{age_about(member.birth_month, today)}歳ごろ" if member.birth_month else ""


def said(fact: Fact, rules: Rules) -> str:
    kind = rules.vocabulary.get(fact.kind)
    return f"{kind.label}：{kind.label_of(fact.value)}" if kind else f"{fact.kind}：{fact.value}"


def members(household: Household, who: Identity, known: Iterable[Fact], case: Case, rules: Rules, today: date) -> list[MemberView]:
    """世帯の顔ぶれ。写しがまだなら続柄と年ごろだけ。"""
    current = [fact for fact in known if fact.current]
    views = []
    for member in household.members:
        person = who.people.get(member.member_id)
        about = tuple(said(fact, rules) for fact in current if fact.member_id == member.member_id)
        views.append(
            MemberView(
                member,
                person.name if person else member.role.label,
                person.kana if person else "",
                age_of(member, who, today),
                (person.phone or "") if person else "",
                about,
                member.member_id in case.member_ids,
            )
        )
    return views


def asked(rules: Rules, known: Iterable[Fact], names: Mapping[MemberId, str]) -> list[AskedView]:
    """アセスメントで聞くことの一覧。まだ聞いていないものも並ぶ。"""
    current = [fact for fact in known if fact.current]

    def view(question: Asked) -> AskedView:
        answers = tuple(fact_view(fact, rules, names) for fact in current if fact.kind == question.kind)
        return AskedView(question.kind, rules.vocabulary[question.kind].label, question.ask, answers)

    return [view(question) for question in rules.asked if question.kind in rules.vocabulary]


def fact_view(fact: Fact, rules: Rules, names: Mapping[MemberId, str]) -> FactView:
    who = names.get(fact.member_id, "世帯員") if fact.member_id else "世帯"
    sure = next(label for code, label, _ in CONFIDENCE if code is fact.confidence)
    return FactView(fact, who, rules.vocabulary[fact.kind].label_of(fact.value), month_words(fact.since) if fact.since else "", sure)


def for_readers(notes: list[Note], known: list[Fact], who: Identity) -> tuple[list[Note], list[Fact], Identity]:
    """この窓口の外の人（センター）に見せるもの: 担当内の所見と確かめ方、本人が受付で話したことは、この窓口の職員だけのもの。"""
    shared = [replace(note, private=WITHHELD if note.private else "") for note in notes]
    return (
        shared,
        [replace(fact, evidence="", harm_note="") for fact in known],
        replace(who, told=tuple(replace(told, text=WITHHELD) for told in who.told)),
    )


async def timeline(handle: Read, case: Case, notes: list[Note], who: Identity, referrals: list[Referral], rules: Rules) -> list[dict[str, Any]]:
    """受付で聞いたこと・支援経過・段階の移り変わりを、新しい順に。訂正された記録は、訂正した記録の中に畳む。"""
    corrected = {note.corrects for note in notes}
    before = {note.note_id: note for note in notes}
    entries = [_note_entry(note, before.get(note.corrects) if note.corrects else None, rules) for note in notes if note.note_id not in corrected]
    for step in await store.steps(handle, case.case_id):
        reason = {**rules.closing, **rules.suspending}.get(step.reason or "", "")
        shown = {"note": None, "told": None, "step": CaseState(step.state).label, "reason": reason, "who": step.by_name}
        entries.append({"at": japan_day(step.at), "order": step.at} | shown)
    made = {referral.receipt_no: referral.made_on for referral in referrals}
    for told in who.told:
        entries.append({"at": made.get(told.receipt_no, case.opened_on), "order": _FIRST, "note": None, "told": told})
    return sorted(entries, key=lambda entry: (entry["at"], entry["order"]), reverse=True)


def _note_entry(note: Note, before: Note | None, rules: Rules) -> dict[str, Any]:
    method = rules.method(note.method)
    return {
        "at": note.happened_on,
        "order": note.written_at,
        "note": note,
        "told": None,
        "method": method.label if method else note.method,
        "before": before,
    }


def stages(state: CaseState) -> tuple[list[str], int]:
    """段階の帯と、いまの位置。横道（関係づくり・中断・フォロー）は、その位置の名前に代えて出す。"""
    at = PATH.index(_BESIDE.get(state, state))
    return [state.label if position == at else stage.label for position, stage in enumerate(PATH)], at
