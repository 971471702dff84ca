"""共有の根拠: 同意がないのに「同意」を根拠にはできない (domain.md §1.3、§1.4)。"""

from shared.contracts.consultation import ConsentState
from shared.contracts.event import Lane, LegalBasis
from shared.runtime.problems import Refusal

#: 69条2項ただし書き: 本人や第三者の権利利益を不当に侵害するおそれがあれば、使えない。人が選ぶときに確かめる
HARM_CHECKED = frozenset({LegalBasis.EXTERNAL_69_2_3, LegalBasis.BENEFIT_69_2_4})
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


class BasisNotOurs(Refusal):
    status = 422
    code = "basis_not_ours"
    sentence = "この窓口では使えない根拠です。一覧から選び直してください。"


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


def check(
    basis: LegalBasis, consent: ConsentState, allowed: tuple[LegalBasis, ...], *, harm_checked: bool = False, lacks: str = ""
) -> None:  # fmt: skip
    """同意のない「同意」なら ConsentIsMissing（`lacks`: 足りないのは目的だけなら、それを言って ConsentForAnotherPurpose）。

    この窓口の根拠でなければ BasisNotOurs、おそれを確かめていなければ HarmNotChecked。
    """
    if basis not in allowed:
        raise BasisNotOurs(fields={"legal_basis": BasisNotOurs.sentence})
    if basis is LegalBasis.CONSENT and consent is not ConsentState.GIVEN and lacks:
        raise ConsentForAnotherPurpose(lacks)
    if basis is LegalBasis.CONSENT and consent is not ConsentState.GIVEN:
        raise ConsentIsMissing(fields={"legal_basis": ConsentIsMissing.sentence})
    if basis in HARM_CHECKED and not harm_checked:
        raise HarmNotChecked(fields={"harm_checked": HarmNotChecked.sentence})
