"""Who decides."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StaffRef:
    """決めた・書いた職員。氏名は「誰が先に」を言うために、この窓口の中だけに置く。"""

    sub: str
    name: str
