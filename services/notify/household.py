"""世帯について聞いていること: 誰がいて、どの窓口が何を記録し、どこが関わっているか。Values only; nobody's name is in them.

生年月までしか届かないので、年齢は「その月の初日に達した」と数える（1日生まれは前月末に達するが、月より細かくは分からない）。
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from services.notify.grounds import Agreement, Eyes, Ground, least
from shared.contracts.case import CaseState
from shared.contracts.consultation import ConsentState
from shared.contracts.event import Confidence, LegalBasis
from shared.contracts.household import Area, LeavingReason, MemberRole
from shared.contracts.visit import CheckInOutcome, WatchTier

_CERTAINTY = {Confidence.SUSPECTED: 0, Confidence.REPORTED: 1, Confidence.CONFIRMED: 2}
#: 続柄を世代に直す（世帯主＝0、親＝+1、子＝−1）
_GENERATION = {
    MemberRole.GRANDPARENT: 2,
    MemberRole.PARENT: 1,
    MemberRole.HEAD: 0,
    MemberRole.SPOUSE: 0,
    MemberRole.SIBLING: 0,
    MemberRole.CHILD: -1,
    MemberRole.GRANDCHILD: -2,
}


@dataclass(frozen=True, slots=True)
class Member:
    id: UUID
    role: MemberRole
    birth_month: str | None
    joined_on: date
    left_on: date | None = None
    left_reason: LeavingReason | None = None
    #: 根拠を残す前に聞いた顔ぶれも、受付は同意か内部利用でしか知らせていない
    basis: LegalBasis = LegalBasis.INTERNAL_69_2_2

    @property
    def generation(self) -> int | None:
        return _GENERATION.get(self.role)

    def age_on(self, day: date) -> int | None:
        return age_on(self.birth_month, day)

    def band_on(self, day: date) -> int | None:
        """10歳きざみの年代。82歳は 80。"""
        age = self.age_on(day)
        return None if age is None else age // 10 * 10


@dataclass(frozen=True, slots=True)
class Fact:
    id: UUID
    member_id: UUID | None
    kind: str
    value: str
    since: str | None
    as_of: date
    confidence: Confidence
    source: str
    recorded_at: datetime
    #: None は、根拠を残す前に聞いた（投影を作り直すと分かる）。ケース・つなぎ・見守りも同じ
    basis: LegalBasis | None = None

    @property
    def freshness(self) -> tuple[date, int, datetime, str]:
        """新しい基準日、次に確かさ。届いた順ではないので、どの順に届いても同じ事実が残る。"""
        return (self.as_of, _CERTAINTY[self.confidence], self.recorded_at, self.id.hex)


@dataclass(frozen=True, slots=True)
class Case:
    id: UUID
    unit: str
    state: CaseState
    opened_on: date
    closed_on: date | None = None
    basis: LegalBasis | None = None
    member_ids: tuple[UUID, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.state not in (CaseState.LEAD, CaseState.CLOSED, CaseState.FOLLOW_UP)


class ReferralState(StrEnum):
    MADE = "made"
    HELD = "held"
    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Referral:
    """`unit` は、つなぎの知らせより返事が先に届いたときは、返事をした窓口。"""

    id: UUID
    unit: str
    state: ReferralState
    made_on: date | None = None
    reply_due: date | None = None
    answered_on: date | None = None
    consultation_id: UUID | None = None
    basis: LegalBasis | None = None

    @property
    def awaits_answer(self) -> bool:
        return self.state in (ReferralState.MADE, ReferralState.HELD)

    @property
    def day(self) -> date | None:
        return self.made_on or self.answered_on


@dataclass(frozen=True, slots=True)
class Watch:
    id: UUID
    unit: str
    member_id: UUID | None
    tier: WatchTier
    next_due: datetime
    planned_on: date
    last_outcome: CheckInOutcome | None = None
    last_at: datetime | None = None
    ended_on: date | None = None
    basis: LegalBasis | None = None


@dataclass(frozen=True, slots=True)
class Consultation:
    id: UUID
    receipt_no: str
    received_on: date
    consent: ConsentState
    #: 取り消された受付。そこからの、返事のないつなぎも消えたことになる
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """受領が期限までにそろわなかった、同意の撤回。`units` はまだの窓口、空なら、そろった。"""

    id: UUID
    member_id: UUID
    since: datetime
    units: tuple[str, ...]


Piece = Member | Fact | Case | Referral | Watch
P = TypeVar("P", Member, Fact, Case, Referral, Watch)


class Stage(StrEnum):
    """ある窓口の関わり。"""

    REFERRED = "referred"
    OPEN = "open"
    CLOSED = "closed"

    @property
    def label(self) -> str:
        return {"referred": "つなぎ済", "open": "支援中", "closed": "終結"}[self.value]


@dataclass(frozen=True, slots=True)
class Involvement:
    unit: str
    stage: Stage
    since: date
    awaiting_reply: bool = False


@dataclass(frozen=True, slots=True)
class HouseholdFacts:
    """一世帯について、いま知っていること。並びは ID 順で、届いた順によらない。"""

    id: UUID
    area: Area = Area.UNKNOWN
    members: tuple[Member, ...] = ()
    facts: tuple[Fact, ...] = ()
    cases: tuple[Case, ...] = ()
    referrals: tuple[Referral, ...] = ()
    watches: tuple[Watch, ...] = ()
    consultations: tuple[Consultation, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    #: 同意と撤回の言葉
    said: tuple[Agreement, ...] = ()
    #: 取り下げ・差し替えになった事実。あとから届いても使わない
    retracted: frozenset[UUID] = field(default_factory=frozenset)
    #: (窓口/便り) ごとの、聞いた通し番号
    heard: dict[str, int] = field(default_factory=dict)

    def pieces(self) -> tuple[Piece, ...]:
        return (*self.members, *self.facts, *self.cases, *self.referrals, *self.watches)

    def ground_of(self, piece: Piece) -> Ground:
        """その知らせの根拠。世帯の事実の同意は、記録した窓口が主に支える人の全員のもの（casework.lanes と同じ）。"""
        match piece:
            case Fact():
                whose = self._whose(piece) if piece.basis is LegalBasis.CONSENT else ()
                return Ground(piece.source, piece.basis, whose)
            case Member():
                return Ground("intake", least(piece.basis))
            case _:
                return Ground(piece.unit, least(piece.basis))

    def seen_by(self, eyes: Eyes) -> "HouseholdFacts":
        """`eyes` に開いている根拠の知らせだけ。ほかは、聞かなかったのと同じ。"""
        return self if self.id in eyes.glasses else self.only(lambda ground: eyes.see(ground, self.said))

    def only(self, wanted: Callable[[Ground], bool]) -> "HouseholdFacts":
        grounds = {ground: wanted(ground) for ground in {self.ground_of(piece) for piece in self.pieces()}}
        if all(grounds.values()):
            return self

        def kept(pieces: Iterable[P]) -> tuple[P, ...]:
            return tuple(piece for piece in pieces if grounds[self.ground_of(piece)])

        return replace(
            self, members=kept(self.members), facts=kept(self.facts), cases=kept(self.cases), referrals=kept(self.referrals),
            watches=kept(self.watches),
        )  # fmt: skip

    def _whose(self, fact: Fact) -> tuple[UUID, ...]:
        if fact.member_id is not None:
            return (fact.member_id,)
        theirs = (case for case in self.cases if case.unit == fact.source)
        newest = max(theirs, key=lambda case: (case.opened_on, case.id.hex), default=None)
        return newest.member_ids if newest else ()

    def member(self, member_id: UUID | None) -> Member | None:
        return next((member for member in self.members if member.id == member_id), None)

    def living(self) -> tuple[Member, ...]:
        """いま世帯にいる人。"""
        return tuple(member for member in self.members if member.left_on is None)

    def at_home(self) -> tuple[Member, ...]:
        """いま家で暮らしている人。施設に入った人は、世帯を離れた届けがなくても数えない。"""
        return tuple(member for member in self.living() if self.value(member.id, "whereabouts") != "facility")

    def fact(self, member_id: UUID | None, kind: str) -> Fact | None:
        """いちばん新しい記録。世帯の事実は member_id=None。"""
        return max((fact for fact in self.facts if fact.kind == kind and fact.member_id == member_id), key=lambda fact: fact.freshness, default=None)

    def value(self, member_id: UUID | None, kind: str) -> str | None:
        found = self.fact(member_id, kind)
        return found.value if found else None

    def every(self, kind: str, *, many: bool) -> tuple[Fact, ...]:
        """世帯の誰かについての、その種類のいまの事実。`many` は同時にいくつも当てはまる種類。"""
        newest: dict[tuple[UUID | None, str], Fact] = {}
        for fact in self.facts:
            if fact.kind == kind:
                key = (fact.member_id, fact.value if many else "")
                newest[key] = max(newest.get(key, fact), fact, key=lambda one: one.freshness)
        return tuple(sorted(newest.values(), key=lambda fact: fact.freshness))

    def involvement(self) -> tuple[Involvement, ...]:
        """関わりのある窓口。支援中 → つなぎ済 → 終結 の順に強いものを一つ。"""
        return tuple(filter(None, (self._involvement_of(unit) for unit in sorted(self._units()))))

    def receipt_no(self) -> str | None:
        """最後の受付番号。"""
        standing = (one for one in self.consultations if not one.cancelled)
        newest = max(standing, key=lambda one: (one.received_on, one.receipt_no), default=None)
        return newest.receipt_no if newest else None

    def _units(self) -> set[str]:
        return {case.unit for case in self.cases} | {referral.unit for referral in self.referrals} | {watch.unit for watch in self.watches}

    def _standing_referrals(self, unit: str) -> list[Referral]:
        cancelled = {one.id for one in self.consultations if one.cancelled}
        return [
            one
            for one in self.referrals
            if one.unit == unit
            and one.day
            and one.state is not ReferralState.DECLINED
            and not (one.awaits_answer and one.consultation_id in cancelled)
        ]

    def _involvement_of(self, unit: str) -> Involvement | None:
        if opened := self._opened(unit):
            return Involvement(unit, Stage.OPEN, min(opened))
        referrals = self._standing_referrals(unit)
        if pending := [one.day for one in referrals if one.awaits_answer and one.day]:
            return Involvement(unit, Stage.REFERRED, min(pending), awaiting_reply=True)
        if closed := self._closed(unit):
            return Involvement(unit, Stage.CLOSED, max(closed))
        accepted = [one.day for one in referrals if one.day]
        return Involvement(unit, Stage.REFERRED, min(accepted)) if accepted else None

    def _opened(self, unit: str) -> list[date]:
        cases = [case.opened_on for case in self.cases if case.unit == unit and case.is_open]
        return cases + [watch.planned_on for watch in self.watches if watch.unit == unit and watch.ended_on is None]

    def _closed(self, unit: str) -> list[date]:
        cases = [case.closed_on or case.opened_on for case in self.cases if case.unit == unit and case.state is not CaseState.LEAD]
        return cases + [watch.ended_on for watch in self.watches if watch.unit == unit and watch.ended_on]


def age_on(birth_month: str | None, day: date) -> int | None:
    """満年齢。生まれ月の初日に達したとみなす。未来の生年月と未記入は None。"""
    if birth_month is None:
        return None
    year, month = (int(part) for part in birth_month.split("-"))
    age = day.year - year - (day.month < month)
    return age if age >= 0 else None


def months_since(month: str, day: date) -> int:
    """「2011-04 から」なら、その月から `day` の月までの月数。"""
    year, number = (int(part) for part in month.split("-"))
    return (day.year - year) * 12 + day.month - number


def in_order(members: Iterable[Member]) -> list[Member]:
    """年上から。生年月の分からない人は最後。"""
    return sorted(members, key=lambda member: (member.birth_month is None, member.birth_month or "", member.id.hex))
