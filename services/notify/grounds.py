"""根拠: もとになった知らせの一つひとつが、どの窓口から、何を根拠に届いたか。それは、だれの目に開いているか。Pure.

何が開くかは policies/facts.cedar が決める。読み手（職員、またはあて先の窓口）ごとに一度だけ尋ね、事実ごとには尋ねない。
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID

from shared.contracts.consent_uses import use_of, wanted
from shared.contracts.event import Lane, LegalBasis
from shared.runtime.policies import Place, Reader, key_of, sight

HERE = Place("notify")
#: 言葉の新しさ
Word = tuple[date, datetime, UUID]
#: ゆるいものから
LANES = (Lane.INTERNAL, Lane.CONSENT, Lane.ART106_6, Lane.MANDATORY_REPORT)


@dataclass(frozen=True, slots=True)
class Agreement:
    """ある人の同意について聞いた言葉一つ。`recipients` の窓口への言葉、None なら相手を限らずに聞いた。`purposes` も同じ。"""

    id: UUID
    member_id: UUID
    given: bool
    recipients: tuple[str, ...] | None
    since: date
    until: date | None
    said_at: datetime
    purposes: tuple[str, ...] | None = None

    @property
    def word(self) -> Word:
        return (self.since, self.said_at, self.id)


@dataclass(frozen=True, slots=True)
class Ground:
    """`basis` が None なら、根拠を残す前に聞いた知らせ: 記録した窓口だけのもの。`whose` は、同意が要る人。"""

    source: str
    basis: LegalBasis | None
    whose: tuple[UUID, ...] = ()

    @property
    def lane(self) -> Lane:
        return self.basis.lane if self.basis else Lane.MANDATORY_REPORT


@dataclass(frozen=True, slots=True)
class Eyes:
    """読み手の目。`own` は自分の窓口の、`others` はほかの窓口の知らせのうち、開いている根拠の言葉（`policies.key_of`）。"""

    units: frozenset[str]
    own: frozenset[str]
    others: frozenset[str]
    on: date
    #: 緊急閲覧の開いている世帯
    glasses: frozenset[UUID] = frozenset()

    def see(self, ground: Ground, said: Iterable[Agreement]) -> bool:
        if ground.basis is None:
            return ground.source in self.units
        agreed = ground.basis is LegalBasis.CONSENT and agreed_with(ground.whose, said, self.units, self.on)
        return key_of(ground.basis, consented=agreed, attending=False) in (self.own if ground.source in self.units else self.others)


def eyes_of(reader: Reader, on: date, glasses: Iterable[UUID] = ()) -> Eyes:
    own, others = (sight(reader, HERE, on, own=own).read for own in (True, False))
    return Eyes(reader.units, own, others, on, frozenset(glasses))


@lru_cache(maxsize=256)
def eyes_of_unit(unit: str, on: date) -> Eyes:
    """その窓口で働く人の目。気づきは、あて先の窓口が知ってよいことだけから出る。"""
    return eyes_of(Reader.of_unit(unit), on)


def agreed_with(whose: Iterable[UUID], said: Iterable[Agreement], units: frozenset[str], on: date) -> bool:
    """全員の同意が続いていて、相手に `units` が入っているか。だれのことか分からなければ、同意ではない。"""
    words, people = list(said), list(whose)
    return bool(people) and all(_agrees(one, words, units, on) for one in people)


def _agrees(member_id: UUID, said: Iterable[Agreement], units: frozenset[str], on: date) -> bool:
    """その窓口への、いちばん新しい言葉が勝つ。相手を限らない同意は、そのあと（どの窓口についてでも）撤回されれば、もうない。"""
    theirs = [one for one in said if one.member_id == member_id and one.since <= on]
    gone = max((one.word for one in theirs if not one.given), default=None)
    heard = (one for one in theirs if _reaches(one, units, gone))
    newest = max(heard, key=lambda one: one.word, default=None)
    return newest is not None and newest.given and (newest.until is None or on <= newest.until) and _serves(newest, units, on)


def purposes_for(units: Iterable[str], on: date) -> frozenset[str]:
    """この窓口の人が同意を使うところに足りる目的 (codes/consent_uses.yaml)。"""
    return frozenset(purpose.value for unit in units for purpose in wanted(use_of(unit, on), on).purposes)


def _serves(one: Agreement, units: frozenset[str], on: date) -> bool:
    return one.purposes is None or not purposes_for(units, on).isdisjoint(one.purposes)


def _reaches(one: Agreement, units: frozenset[str], gone: Word | None) -> bool:
    if one.recipients is not None:
        return bool(units & set(one.recipients))
    return not one.given or gone is None or gone <= one.word


def least(basis: LegalBasis | None) -> LegalBasis | None:
    """関わりと見守りと顔ぶれは、同意がなくても庁内の内部利用で知らせる最小限: 「同意」で届いても、撤回のあとも、内部利用に数える。"""
    return LegalBasis.INTERNAL_69_2_2 if basis is LegalBasis.CONSENT else basis


def strictest(lanes: Iterable[Lane]) -> Lane:
    return max(lanes, key=LANES.index)
