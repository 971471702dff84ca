"""住基の読み仮名の誤り（故意の誤り）。Other faults are made where they happen: life.py (unknown key persons, contradictions), duplicates.py."""

from collections.abc import Iterable
from random import Random

from deploy.city.duplicates import misheard
from deploy.city.parameters import Parameters
from deploy.city.people import Household


def mishear(city: Parameters, seed: int, households: Iterable[Household]) -> None:
    """10 % of the people stand in the register with a wrong reading."""
    rng = Random(f"{seed}/kana")
    rate = city.raw["faults"]["wrong_kana"]
    for household in households:
        for person in household.members:
            if rng.random() < rate and not household.demo:
                person.wrong_kana = misheard(rng, person.surname_kana, person.given_kana)
