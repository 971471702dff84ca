"""人口の在庫。Exactly as many people of each sex and age as the pyramid holds: every household takes its members from here."""

from collections.abc import Mapping, Sequence
from random import Random

OLDEST = 105


class PoolExhausted(RuntimeError):
    """The pyramid has nobody left for a place in a household: the types and the pyramid contradict each other."""


class Pool:
    def __init__(self, pyramid: Mapping[str, Sequence[int]], width: int) -> None:
        self.left = {sex: _single_years(bands, width) for sex, bands in pyramid.items()}

    def take(self, sex: str, target: float, low: int, high: int) -> int | None:
        """The available age nearest to `target` within [low, high]; None when this sex has nobody there."""
        left = self.left[sex]
        centre = min(max(round(target), low), high)
        for distance in range(high - low + 1):
            for age in (centre - distance, centre + distance):
                if low <= age <= high and left[age]:
                    left[age] -= 1
                    return age
        return None

    def take_either(self, preferred: str, target: float, low: int, high: int) -> tuple[str, int]:
        """(sex, age): the preferred sex if anybody of it is left in the range, else the other."""
        for sex in (preferred, "F" if preferred == "M" else "M"):
            age = self.take(sex, target, low, high)
            if age is not None:
                return sex, age
        raise PoolExhausted(f"nobody left between {low} and {high}")

    def take_sex(self, sex: str, target: float, low: int, high: int) -> int:
        age = self.take(sex, target, low, high)
        if age is None:
            raise PoolExhausted(f"nobody of sex {sex} left between {low} and {high}")
        return age

    def take_any(self, rng: Random, low: int, high: int, preferred: float = 0.5) -> tuple[str, int]:
        """Somebody by chance, weighted by who is left: keeps the rest of the pool in shape. `preferred` weighs men."""
        places = [("M", age) for age in range(low, high + 1)] + [("F", age) for age in range(low, high + 1)]
        weights = [self.left[sex][age] * (preferred if sex == "M" else 1 - preferred) for sex, age in places]
        sex, age = rng.choices(places, weights)[0]
        self.left[sex][age] -= 1
        return sex, age

    def remaining(self) -> int:
        return sum(map(sum, self.left.values()))


def _single_years(bands: Sequence[int], width: int) -> list[int]:
    """Five-year bands cut evenly into years; the open last band (100+) thins out by halves."""
    years = [0] * (OLDEST + width)
    for band, count in enumerate(bands[:-1]):
        for offset in range(width):
            years[band * width + offset] = count // width + (offset < count % width)
    age, left = (len(bands) - 1) * width, bands[-1]
    while left:
        here = (left + 1) // 2 if age < OLDEST else left
        years[age], left, age = here, left - here, age + 1
    return years


def spread(rng: Random, total: int, places: int, *, least: int, most: int) -> list[int]:
    """`total` dealt to `places`, each between `least` and `most`, in random order (exact sum)."""
    dealt = [least] * places
    for _ in range(total - least * places):
        while True:
            place = int(rng.random() * places)
            if dealt[place] < most:
                dealt[place] += 1
                break
    return dealt
