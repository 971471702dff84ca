"""層化抽出: 世帯類型 × 圏域の割合を保った小さな町。名前のある世帯は必ず入る。"""

from collections.abc import Sequence
from itertools import groupby
from random import Random

from deploy.city.people import Household


class TownTooSmall(ValueError):
    """Fewer households asked for than have a name and a story."""


def stratified(households: Sequence[Household], count: int, seed: int) -> list[Household]:
    """`count` households in their order in the city: largest remainder per stratum, chance within it."""
    named = [household for household in households if household.demo]
    if count < len(named):
        raise TownTooSmall(f"小さな町は{len(named)}世帯から（名前のある世帯を必ず含む）。")
    count = min(count, len(households))
    rng = Random(f"{seed}/sample/{count}")
    rest = sorted((household for household in households if not household.demo), key=_stratum)
    strata = [list(members) for _, members in groupby(rest, key=_stratum)]
    shares = [len(stratum) * (count - len(named)) / len(rest) for stratum in strata]
    taken = [int(share) for share in shares]
    by_remainder = sorted(range(len(strata)), key=lambda nth: shares[nth] - taken[nth], reverse=True)
    for nth in by_remainder[: count - len(named) - sum(taken)]:
        taken[nth] += 1
    chosen = named + [household for stratum, size in zip(strata, taken, strict=True) for household in rng.sample(stratum, size)]
    return sorted(chosen, key=lambda household: household.no)


def _stratum(household: Household) -> tuple[str, str]:
    return household.type, household.area
