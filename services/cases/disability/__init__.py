"""障がいの窓口（基幹相談支援センター）。手帳とサービス利用、親が支えているか、外に出られているか。"""

from pathlib import Path

from services.cases.casework.profile import Profile
from shared.contracts.event import LegalBasis

PROFILE = Profile(
    unit="cases-disability",
    folder=Path(__file__).parent,
    welfare_domain="disability",
    basis=LegalBasis.INTERNAL_69_2_2,
    bases=(
        LegalBasis.CONSENT,
        LegalBasis.ART106_6,
        LegalBasis.INTERNAL_69_2_2,
        LegalBasis.BENEFIT_69_2_4,
        LegalBasis.ABUSE_DISAB,
        LegalBasis.LIFE_EMERGENCY,
    ),
)
