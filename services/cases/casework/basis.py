"""共有の根拠: 同意がないのに「同意」を根拠にはできず、出席していない支援会議で知ったことにもできない (domain.md §1.2–§1.4)。"""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from shared.contracts.conference import Forum
from shared.contracts.consultation import ConsentState
from shared.contracts.event import Lane, LegalBasis
from shared.runtime.problems import Refusal

#: 69条2項ただし書き: 本人や第三者の権利利益を不当に侵害するおそれがあれば、使えない。人が選ぶときに確かめる
HARM_CHECKED = frozenset({LegalBasis.EXTERNAL_69_2_3, LegalBasis.BENEFIT_69_2_4})
#: 種類ごとに、書く人がいま知らせ合える、その世帯の会議（`lanes.ongoing`）
Conferences = Mapping[Forum, UUID]
NO_CONFERENCE: Conferences = MappingProxyType({})
LABELS = {
    LegalBasis.CONSENT: "本人の同意（個情法69条2項1号）",
    LegalBasis.ART106_6: "支援会議（社会福祉法106条の6）",
    LegalBasis.KONKYU_9: "困窮 支援会議（困窮法9条）",
    LegalBasis.INTERNAL_69_2_2: "市の内部での利用（個情法69条2項2号）",
    LegalBasis.EXTERNAL_69_2_3: "他の行政機関への提供（個情法69条2項3号）",
    LegalBasis.BENEFIT_69_2_4: "明らかに本人の利益（個情法69条2項4号）",
    LegalBasis.ABUSE_CHILD: "児童虐待の通告（児童虐待防止法6条）",
    LegalBasis.ABUSE_ELDER: "高齢者虐待の通報（高齢者虐待防止法7条）",
    LegalBasis.ABUSE_DISAB: "障害者虐待の通報（障害者虐待防止法7条）",
    LegalBasis.DV: "DVの通報（DV防止法6条）",
    LegalBasis.LIFE_EMERGENCY: "生命・身体の危険",
    LegalBasis.DISASTER: "災害時の名簿（災対法49条の11）",
    LegalBasis.STAT: "統計（個情法69条2項4号）",
}


class ConsentIsMissing(Refusal):
    status = 422
    code = "consent_is_missing"
    sentence = "この人の同意はまだありません。同意を得て「情報共有の同意」を記録するか、ほかの根拠を選んでください。"


class ConsentForAnotherPurpose(Refusal):
    status = 422
    code = "consent_for_another_purpose"
    sentence = "この人の同意には、この使い道の目的が入っていません。受付で、目的を足した同意を取り直せます。急ぐときは、ほかの根拠を選んでください。"

    def __init__(self, lacks: str) -> None:
        sentence = (
            f"この人の同意には、目的の{lacks}が入っていません。受付で、目的を足した同意を取り直せます。急ぐときは、ほかの根拠を選んでください。"
        )
        super().__init__(sentence, fields={"legal_basis": sentence})


class HarmNotChecked(Refusal):
    status = 422
    code = "harm_not_checked"
    sentence = "この根拠で知らせる前に、本人や第三者の権利利益を不当に侵害するおそれがないことを確かめ、「確かめた」に印をつけてください。"
    why = "おそれがないと考えたわけを、一言書いてください（この窓口の中だけに残ります）。"


class BasisNotOurs(Refusal):
    status = 422
    code = "basis_not_ours"
    sentence = "この窓口では使えない根拠です。一覧から選び直してください。"


class NotAtTheConference(Refusal):
    status = 422
    code = "not_at_the_conference"
    sentence = (
        "この世帯の、いま続いている支援会議に出席していません。"
        "福祉相談センターに、この窓口か自分を出席者に入れた支援会議の招集（または期間の変更）を頼んでから、記録してください。"
    )


def choices(bases: tuple[LegalBasis, ...], conferences: Conferences = NO_CONFERENCE, *, convenes: bool = False) -> tuple[LegalBasis, ...]:
    """いま選べる根拠: 支援会議は、それを開く窓口（`convenes`）と、続いている支援会議に出席している職員だけ。"""
    attends = convenes or Forum.CONFIDENTIAL in conferences
    return bases if attends else tuple(basis for basis in bases if basis is not LegalBasis.ART106_6)


def attended(conferences: Conferences, field: str = "legal_basis") -> UUID:
    """書く人が出席している、続いている支援会議。なければ、様式の `field` について NotAtTheConference。"""
    if Forum.CONFIDENTIAL not in conferences:
        raise NotAtTheConference(fields={field: NotAtTheConference.sentence})
    return conferences[Forum.CONFIDENTIAL]


def usual(consent: ConsentState, otherwise: LegalBasis) -> LegalBasis:
    """同意があれば同意、なければ窓口の根拠。"""
    return LegalBasis.CONSENT if consent is ConsentState.GIVEN else otherwise


def following(basis: LegalBasis, consent: ConsentState, otherwise: LegalBasis) -> LegalBasis:
    """同意が変わったあとの根拠。通告・通報の根拠は同意によらないので、そのまま。"""
    if basis.lane is Lane.MANDATORY_REPORT:
        return basis
    if consent is ConsentState.GIVEN:
        return LegalBasis.CONSENT
    return otherwise if basis is LegalBasis.CONSENT else basis


def needs_approval(basis: LegalBasis) -> bool:
    """知らせる前に、求めた人とは別の上司の承認が要るか (domain.md §1.3)。"""
    return basis is LegalBasis.BENEFIT_69_2_4


def must_be_ours(basis: LegalBasis, allowed: tuple[LegalBasis, ...]) -> None:
    """この窓口の根拠でなければ BasisNotOurs。"""
    if basis not in allowed:
        raise BasisNotOurs(fields={"legal_basis": BasisNotOurs.sentence})


def must_be_agreed(basis: LegalBasis, consent: ConsentState, lacks: str = "") -> None:
    """同意のない「同意」なら ConsentIsMissing。足りないのは目的だけ（`lacks`）なら、それを言って ConsentForAnotherPurpose。"""
    if basis is not LegalBasis.CONSENT or consent is ConsentState.GIVEN:
        return
    if lacks:
        raise ConsentForAnotherPurpose(lacks)
    raise ConsentIsMissing(fields={"legal_basis": ConsentIsMissing.sentence})


def must_harm_nobody(basis: LegalBasis, checked: bool, why: str) -> None:
    """確かめる根拠で、おそれを確かめていない・わけがなければ HarmNotChecked。"""
    if basis not in HARM_CHECKED:
        return
    problems = {} if checked else {"harm_checked": HarmNotChecked.sentence}
    if not why:
        problems["harm_note"] = HarmNotChecked.why
    if problems:
        raise HarmNotChecked(fields=problems)
