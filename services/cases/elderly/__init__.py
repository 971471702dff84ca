"""高齢の窓口（地域包括支援センター）。入口はたいてい介護: 認定、認知症、キーパーソン、そして同居の子の様子。"""

from pathlib import Path

from services.cases.casework.profile import Profile
from shared.contracts.event import LegalBasis

PROFILE = Profile(
    unit="cases-elderly",
    folder=Path(__file__).parent,
    welfare_domain="elderly",
    basis=LegalBasis.INTERNAL_69_2_2,
    bases=(
        LegalBasis.CONSENT,
        LegalBasis.ART106_6,
        LegalBasis.INTERNAL_69_2_2,
        LegalBasis.BENEFIT_69_2_4,
        LegalBasis.ABUSE_ELDER,
        LegalBasis.LIFE_EMERGENCY,
    ),
)
