"""同意は一人ずつのもの。なくなれば、見守りの知らせの根拠は「同意」ではない。"""

from services.outreach import tables
from shared.contracts import consent_said
from shared.contracts.consent_uses import Use
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.runtime.consents import NewestWords
from shared.runtime.database import Read

UNIT = "outreach"
WORDS = NewestWords(tables.consent, Use.OUTREACH)
#: 同意がないときの根拠: 庁内の内部利用
OTHERWISE = LegalBasis.INTERNAL_69_2_2


async def basis_for(handle: Read, household_id: HouseholdId, member_ids: tuple[MemberId, ...], basis: LegalBasis) -> LegalBasis:
    """「同意」は、その全員が同意しているときだけの根拠。だれのことか決まっていなければ、同意ではない。"""
    state = consent_said.of_all(await WORDS.of_household(handle, household_id), member_ids)
    return OTHERWISE if basis is LegalBasis.CONSENT and state is not ConsentState.GIVEN else basis
