"""人と世帯を作る（§9.1–9.2）。Exact: every cell of the pyramid and every row of the household types is met."""

import calendar
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from uuid import UUID, uuid5

from deploy.city import demo, names
from deploy.city.parameters import HouseholdType, Parameters
from deploy.city.people import Household, Person
from deploy.city.places import address
from deploy.city.pool import Pool
from deploy.city.shapes import BUILDERS, Hand, Place

SPACE = UUID("0f6d2c9e-9a57-4a1c-8a3e-5a4d50000000")


def identity(seed: int, *parts: object) -> UUID:
    """A stable id: the same seed gives the same city, whatever the day it is loaded on."""
    return uuid5(SPACE, "/".join(map(str, (seed, *parts))))


def build(city: Parameters, seed: int, as_of: date) -> list[Household]:
    """All households of the city as they stand on `as_of`, without their troubles (see troubles.py)."""
    rng = Random(f"{seed}/population")
    pool = Pool(city.pyramid, city.band_width)
    plans: dict[str, list[list[Place]]] = {code: [] for code in city.types}
    told = demo.stories()
    for story in told:
        plans[story.type].append(demo.take(story, pool))
    for code, builder in BUILDERS.items():
        plans[code].extend(builder(Hand(city.raw["shapes"], pool, rng), _without(city.types[code], plans[code])))
    keys = {(story.type, nth): story for nth, story in _nth_of_type(told)}
    ordered = [(code, nth, places) for code in city.types for nth, places in enumerate(plans[code])]
    areas = _areas(city, rng, [(code, keys.get((code, nth))) for code, nth, _ in ordered])
    per_area: dict[str, int] = dict.fromkeys(city.areas, 0)
    households = []
    for no, ((code, nth, places), area) in enumerate(zip(ordered, areas, strict=True)):
        households.append(_household(no, code, places, area, per_area[area], seed, as_of, keys.get((code, nth))))
        per_area[area] += 1
    _split_registry(city, seed, households)
    return households


def _nth_of_type(told: Iterable[demo.Story]) -> Iterable[tuple[int, demo.Story]]:
    seen: dict[str, int] = {}
    for story in told:
        yield seen.get(story.type, 0), story
        seen[story.type] = seen.get(story.type, 0) + 1


def _without(kind: HouseholdType, taken: list[list[Place]]) -> HouseholdType:
    """What is left of a type after the named demo households took their places."""
    ages = [place.age for places in taken for place in places]
    return replace(
        kind,
        households=kind.households - len(taken),
        persons=kind.persons - len(ages),
        elderly=kind.elderly - sum(age >= 65 for age in ages),
        minors=kind.minors - sum(age < 18 for age in ages),
    )


def _areas(city: Parameters, rng: Random, kinds: list[tuple[str, demo.Story | None]]) -> list[str]:
    """圏域: 人口の重みに、高齢者の多い類型ほど奥の圏域へ傾ける。"""
    codes = list(city.areas)
    older = [shape.weight * shape.elderly_tilt for shape in city.areas.values()]
    younger = [shape.weight / shape.elderly_tilt for shape in city.areas.values()]
    return [story.area if story else rng.choices(codes, older if city.types[code].elderly else younger)[0] for code, story in kinds]


def _household(no: int, code: str, places: list[Place], area: str, nth: int, seed: int, as_of: date, story: demo.Story | None) -> Household:
    rng = Random(f"{seed}/household/{no}")
    family = story.surname if story else names.surname(rng)
    births, home = _birthdays(rng, places, as_of), address(area, nth, no)
    members: list[Person] = []
    for number, (place, born) in enumerate(zip(places, births, strict=True)):
        own = names.surname(rng) if place.relation == "99" else family
        first = story.given[number] if story else names.given(rng, place.sex, born.year, {member.given for member in members})
        member = Person(
            id=identity(seed, "person", no, number), resident_no=f"9{no:07d}{number:02d}", sex=place.sex, birth=born, age=place.age,
            role=place.role, relation=place.relation, generation=place.generation, marital=place.marital,
            surname=own.written, surname_kana=own.kana, given=first.written, given_kana=first.kana, registry_no=f"8{no:08d}1",
            phone=home.phone if number == 0 else "",
        )  # fmt: skip
        members.append(member)
    return Household(no=no, id=identity(seed, "household", no), type=code, address=home, members=members, demo=story.key if story else "")


def _birthdays(rng: Random, places: list[Place], as_of: date) -> list[date]:
    """Exactly `age` years old on `as_of`, never on the edge of a birthday; brothers and sisters at least a year apart, or twins."""
    offsets: dict[int, int] = {}
    drawn = sorted(rng.randint(3, 362) for _ in places)
    for nth, age in enumerate(sorted(place.age for place in places)):
        offsets.setdefault(age, drawn[nth])
    twins: dict[tuple[int, int], int] = {}
    result = []
    for place in places:
        child = place.generation == 2
        offset = twins.setdefault((2, place.age), offsets[place.age]) if child else rng.randint(3, 362)
        result.append(_years_before(as_of, place.age) - timedelta(days=offset))
    return result


def _years_before(day: date, years: int) -> date:
    year = day.year - years
    return day.replace(year=year, day=min(day.day, calendar.monthrange(year, day.month)[1]))


def _split_registry(city: Parameters, seed: int, households: list[Household]) -> None:
    """世帯分離: 生活は一つでも、住民票では親の世帯と子の世帯に分かれている。"""
    rng = Random(f"{seed}/registry")
    split = city.raw["registry_split"]
    several = [household for household in households if household.type in split["types"] and not household.demo]
    told = [household for household in households if household.demo and demo.story(household.demo).split]
    for household in told + rng.sample(several, round(split["value"] * len(several)) - len(told)):
        eldest = min(member.generation for member in household.members)
        for member in household.members:
            if member.generation == eldest:
                member.registry_no = f"8{household.no:08d}2"
