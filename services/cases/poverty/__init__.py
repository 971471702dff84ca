"""くらしの窓口（生活困窮者自立支援）。仕事、主な収入、滞納、ライフライン、ひきこもり。"""

from pathlib import Path

from services.cases.casework.profile import Profile
from shared.contracts.event import LegalBasis

PROFILE = Profile(
    unit="cases-poverty",
    folder=Path(__file__).parent,
    welfare_domain="poverty",
    basis=LegalBasis.INTERNAL_69_2_2,
    bases=(
        LegalBasis.CONSENT,
        LegalBasis.ART106_6,
        LegalBasis.INTERNAL_69_2_2,
        LegalBasis.BENEFIT_69_2_4,
        LegalBasis.KONKYU_9,
        LegalBasis.LIFE_EMERGENCY,
    ),
)
