"""福祉相談センター。多機関協働: どの窓口か一つでは解けない世帯を、会議にかけて役割を決める。"""

from pathlib import Path

from services.cases.casework.profile import Profile
from shared.contracts.event import LegalBasis

PROFILE = Profile(
    unit="cases-center",
    folder=Path(__file__).parent,
    welfare_domain=None,
    basis=LegalBasis.INTERNAL_69_2_2,
    bases=(LegalBasis.CONSENT, LegalBasis.ART106_6, LegalBasis.INTERNAL_69_2_2, LegalBasis.BENEFIT_69_2_4, LegalBasis.LIFE_EMERGENCY),
    convenes=True,
)
