"""町をひとつ作る: 全市（28,012人）か、層化した小さな町。`seed` と `until` が同じなら、いつ・どこで作っても同じ町。"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache

from deploy.city import faults, population, troubles
from deploy.city.commands import Command
from deploy.city.history import chronicle
from deploy.city.parameters import Parameters, parameters
from deploy.city.people import Household
from deploy.city.sample import stratified

_JST = timedelta(hours=9)


@dataclass(frozen=True)
class Town:
    parameters: Parameters
    seed: int
    until: datetime
    households: tuple[Household, ...]

    @cached_property
    def histories(self) -> list[list[Command]]:
        """Per household, in order of time."""
        return [chronicle(self.parameters, self.seed, household, self.until) for household in self.households]

    def commands(self) -> Iterator[Command]:
        """The whole town's ten years in order of time."""
        return iter(sorted((command for history in self.histories for command in history), key=lambda command: command.at))

    def fingerprint(self) -> str:
        """Equal for equal towns: the determinism test compares it."""
        digest = hashlib.sha256()
        for household in self.households:
            digest.update(json.dumps(asdict(household), default=str, ensure_ascii=False).encode())
        for command in self.commands():
            digest.update(repr(command).encode())
        return digest.hexdigest()


@lru_cache(maxsize=2)
def whole(until: datetime, seed: int | None = None) -> Town:
    """The whole city as it stands at `until` (aware, UTC): 13,405 households, 28,012 people."""
    city = parameters()
    chosen = city.seed if seed is None else seed
    as_of = (until + _JST).date()
    households = population.build(city, chosen, as_of)
    troubles.assign(city, chosen, households, as_of)
    faults.mishear(city, chosen, households)
    return Town(city, chosen, until, tuple(households))


@lru_cache(maxsize=2)
def small(until: datetime, households: int = 300, seed: int | None = None) -> Town:
    """A small town: the named demo households and a sample of the rest in the city's proportions (same ids as in the whole city)."""
    city = whole(until, seed)
    return Town(city.parameters, city.seed, until, tuple(stratified(city.households, households, city.seed)))
