"""一つの世帯の十年。Deterministic: a household's history depends on the seed, its number and the end of the history only."""

from datetime import datetime
from random import Random

from deploy.city import demo_history, episodes, moves, renewals, watching
from deploy.city.commands import Command
from deploy.city.life import Life
from deploy.city.parameters import Parameters
from deploy.city.people import Household


def chronicle(city: Parameters, seed: int, household: Household, until: datetime) -> list[Command]:
    """Everything that happened to one household, in the order of time."""
    life = Life(city, household, Random(f"{seed}/history/{household.no}"), until)
    household.former = demo_history.former_members(life) if household.demo else []
    moves.live(life, seed)
    if household.demo:
        demo_history.tell(life)
        commands = life.run()
    else:
        episodes.happen(life)
        commands = life.run()
        watching.keep_watch(life)
    renewed = renewals.renewals(city, Random(f"{seed}/renewals/{household.no}"), household, commands, until)
    return sorted([*commands, *renewed], key=lambda command: command.at)
