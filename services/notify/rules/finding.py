"""気づき一件: どのルールが、どの事実の連なりから、誰に知らせるか。個人の名も文章も持たない。"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.notify.deadlines import day_of
from services.notify.grounds import LANES, Ground, strictest
from services.notify.household import Case, Fact, HouseholdFacts, Member, Piece, Referral, Stage, Watch, in_order
from services.notify.parameters import Parameters
from shared.contracts.alert import Severity
from shared.contracts.event import Confidence, Lane, LegalBasis


class Kind(StrEnum):
    HOUSEHOLD = "household"
    LEFT = "left"
    FACT = "fact"
    INVOLVED = "involved"
    WATCH = "watch"
    CHECK_IN = "check_in"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True)
class Person:
    """名前の代わりに、間柄と年代。`kin` は続柄コードか parent / child（親子の組で見たとき）。"""

    kin: str
    band: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """根拠の一つ。`code` は "employment.not_seeking" のような区分で、言葉は画面が付ける。"""

    kind: Kind
    source: str
    ref: UUID
    as_of: date
    code: str
    about: Person | None = None
    member_id: UUID | None = None
    since: str | None = None
    confidence: Confidence | None = None
    at: datetime | None = None
    #: 見守りの段。段が進むことは新しい事実で、前の段を閉じた気づきもまた出る
    step: str | None = None
    #: 何を根拠に届いたか。None は、根拠を残す前の気づき
    basis: LegalBasis | None = None
    whose: tuple[UUID, ...] = ()

    @property
    def ground(self) -> Ground:
        return Ground(self.source, self.basis, self.whose)

    @property
    def signature(self) -> str:
        """同じ窓口が同じことを書き直しても変わらない。これが増えたとき「新しい事実が届いた」とする。"""
        match self.kind:
            case Kind.HOUSEHOLD:
                return "household"
            case Kind.INVOLVED:
                return f"involved:{self.source}"
            case Kind.WATCH | Kind.CHECK_IN:
                return f"{self.kind}:{self.ref}:{self.at.isoformat() if self.at else ''}:{self.step or ''}"
            case Kind.LEFT:
                return f"left:{self.code}:{self.ref}"
            case Kind.FACT:
                return f"fact:{self.code}:{self.member_id}:{self.source}:{self.confidence}"
            case Kind.RECEIPT:
                return f"receipt:{self.ref}:{self.source}"


@dataclass(frozen=True, slots=True)
class Finding:
    rule_id: str
    version: str
    severity: Severity
    to: str
    lane: Lane
    domains: tuple[str, ...]
    people: tuple[Person, ...]
    evidence: tuple[Evidence, ...]
    due: datetime
    #: 状態についてのルールは、四半期が変わればまた知らせる。出来事についてのルールは一度きり
    recurs: bool
    step: str | None = None
    #: これが開いていない人には、この気づきそのものが見えない（題名だけで、伏せた事実が分かってしまう）
    needed: tuple[Ground, ...] = ()
    #: 便りにしない: 気づきを聞く窓口に開いていない根拠による
    quiet: bool = False
    #: 決まったあて先ではなく、通告・通報を受け持つ窓口へ
    reported: bool = False

    @property
    def key(self) -> str:
        return f"{self.rule_id}@{self.to}" if self.reported else self.rule_id

    @property
    def signatures(self) -> frozenset[str]:
        return frozenset(one.signature for one in self.evidence)


def found(
    rule_id: str,
    household: HouseholdFacts,
    now: datetime,
    parameters: Parameters,
    *,
    evidence: Iterable[Evidence],
    people: Iterable[Person] = (),
    severity: Severity | None = None,
    due: datetime | None = None,
    recurs: bool = True,
    step: str | None = None,
) -> Finding:
    """版・送り先・区分・期限をパラメータから入れた気づき。根拠は古い順、同じものは一度だけ。"""
    text = parameters.rules[rule_id]
    severity = severity or text.severity
    unique = {one.signature + str(one.ref): one for one in evidence}
    chain = sorted(unique.values(), key=lambda one: (one.kind is not Kind.HOUSEHOLD, one.as_of, str(one.at or ""), one.signature))
    return Finding(
        rule_id=rule_id,
        version=text.version,
        severity=severity,
        to=text.to,
        lane=text.lane,
        domains=tuple(one.unit for one in household.involvement() if one.stage is not Stage.CLOSED),
        people=tuple(people) or composition(household, day_of(now)),
        evidence=tuple(chain),
        due=due or parameters.due(rule_id, severity, now),
        recurs=recurs,
        step=step,
    )


def composition(household: HouseholdFacts, day: date) -> tuple[Person, ...]:
    """いま家にいる人を年上から。二人が親子なら、世帯主がどちらでも親と子と呼ぶ。"""
    home = in_order(household.at_home())
    generations = [member.generation for member in home if member.generation is not None]
    if len(home) == 2 and len(generations) == 2 and abs(generations[0] - generations[1]) == 1:
        older, younger = sorted(home, key=lambda member: -(member.generation or 0))
        return Person("parent", older.band_on(day)), Person("child", younger.band_on(day))
    return tuple(Person(member.role, member.band_on(day)) for member in home)


def about(member: Member | None, day: date, kin: str | None = None) -> Person | None:
    return Person(kin or member.role, member.band_on(day)) if member else None


def from_fact(fact: Fact, person: Person | None = None) -> Evidence:
    return Evidence(Kind.FACT, fact.source, fact.id, fact.as_of, f"{fact.kind}.{fact.value}", person, fact.member_id, fact.since, fact.confidence)


def from_leaving(member: Member, source: str, person: Person | None = None) -> Evidence:
    assert member.left_on is not None
    assert member.left_reason is not None
    return Evidence(Kind.LEFT, source, member.id, member.left_on, member.left_reason, person, member.id)


def lives_together(household: HouseholdFacts, source: str, code: str, since: date) -> Evidence:
    return Evidence(Kind.HOUSEHOLD, source, household.id, since, code)


def on_grounds(finding: Finding, least: Finding, household: HouseholdFacts) -> Finding:
    """根拠の一つひとつに、何を根拠に届いたかを添える。`least` は、いちばんゆるい区分だけで当てはまった同じ気づき。"""
    needed = {grounded(one, household).ground for one in least.evidence}
    return replace(
        finding,
        evidence=tuple(grounded(one, household) for one in finding.evidence),
        needed=tuple(sorted(needed, key=lambda one: (one.source, one.basis or "", one.whose))),
        lane=strictest([finding.lane, *(one.lane for one in needed if one.basis)]),
    )


def grounded(evidence: Evidence, household: HouseholdFacts) -> Evidence:
    """いま知っていることから、届いた根拠を引く。もう知らない知らせなら、そのまま。"""
    if evidence.kind is Kind.RECEIPT:
        return replace(evidence, basis=LegalBasis.INTERNAL_69_2_2)
    grounds = [household.ground_of(piece) for piece in _behind(evidence, household)]
    if not grounds:
        return evidence
    # who lives together is as strict as the strictest of them; for the involvement of a desk one reason is enough
    chosen = (max if evidence.kind is Kind.HOUSEHOLD else min)(grounds, key=lambda one: LANES.index(one.lane))
    return replace(evidence, basis=chosen.basis, whose=chosen.whose)


def _behind(evidence: Evidence, household: HouseholdFacts) -> list[Piece]:
    match evidence.kind:
        case Kind.FACT:
            return [fact for fact in household.facts if fact.id == evidence.ref]
        case Kind.LEFT:
            return [member for member in household.members if member.id == evidence.ref]
        case Kind.WATCH | Kind.CHECK_IN:
            return [watch for watch in household.watches if watch.id == evidence.ref]
        case Kind.INVOLVED:
            involved: tuple[Case | Referral | Watch, ...] = (*household.cases, *household.referrals, *household.watches)
            return [one for one in involved if one.unit == evidence.source]
        case _:
            return list(household.members)
