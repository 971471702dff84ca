"""プロフィール: 分野の窓口どうしの違いは、すべてここに現れる。共通の仕事はこの値だけを見る。"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.contracts.case import CaseState
from shared.contracts.codes import FactKind
from shared.contracts.consultation import Urgency
from shared.contracts.event import LegalBasis, UnitCode


@dataclass(frozen=True, slots=True)
class Profile:
    """窓口そのもの。日付で変わる決まりは parameters.yaml にあり、`parameters.rules_on` が Rules にする。"""

    unit: UnitCode
    #: the unit's folder; its parameters.yaml stands there
    folder: Path
    welfare_domain: str | None
    #: 同意がないときの共有の根拠
    basis: LegalBasis
    #: この窓口が使える根拠（画面の順）
    bases: tuple[LegalBasis, ...]
    #: 会議を開く窓口か（センター）。ほかの窓口は、出席している会議で知ったことだけを「支援会議」で記録する
    convenes: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """アセスメントで聞くこと一つ。`ask` は聞き方・確かめ方の一言。"""

    kind: str
    ask: str


@dataclass(frozen=True, slots=True)
class Method:
    """支援経過の方法 (FM4)。`contact` は本人・家族に会う・話す方法か。"""

    code: str
    label: str
    contact: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """この窓口の、ある日の決まり。期間の単位は日。"""

    asked: tuple[Asked, ...]
    vocabulary: Mapping[str, FactKind]
    #: 一人にいくつも重なる事実（課題）。ほかは新しい値が前の値に代わる
    many_valued: frozenset[str]
    #: その段階に入ってから次に見るまで
    next_due_days: Mapping[CaseState, int]
    #: 受理してから初めて会うまで（緊急度ごと）
    first_contact_days: Mapping[Urgency, int]
    #: つなぎ票の返信期限（緊急度ごと）
    reply_days: Mapping[Urgency, int]
    closing: Mapping[str, str]
    suspending: Mapping[str, str]
    #: 評価を経なくても終結できる理由
    close_any_time: frozenset[str]
    #: 返信待ちのつなぎが残っていても終結できる理由
    close_despite_referrals: frozenset[str]
    methods: tuple[Method, ...] = ()
    topics: Mapping[str, str] = field(default_factory=dict)

    def asks(self, kind: str) -> bool:
        return any(asked.kind == kind for asked in self.asked)

    def method(self, code: str) -> Method | None:
        return next((method for method in self.methods if method.code == code), None)
