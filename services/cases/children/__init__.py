"""こども家庭センター。登校、ひとり親、家族を世話する子。教育委員会への提供（69条2項3号）も根拠にする。"""

from pathlib import Path

from services.cases.casework.profile import Profile
from shared.contracts.event import LegalBasis

PROFILE = Profile(
    unit="cases-children",
    folder=Path(__file__).parent,
    welfare_domain="children",
    basis=LegalBasis.INTERNAL_69_2_2,
    bases=(
        LegalBasis.CONSENT,
        LegalBasis.ART106_6,
        LegalBasis.INTERNAL_69_2_2,
        LegalBasis.EXTERNAL_69_2_3,
        LegalBasis.BENEFIT_69_2_4,
        LegalBasis.ABUSE_CHILD,
        LegalBasis.LIFE_EMERGENCY,
    ),
)
