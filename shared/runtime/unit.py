"""A unit's manifest: unit.toml read into values. Broker permissions, streams, routes and documents are made from it."""

import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from shared.contracts.domain import NavigationEntry

#: The folder that holds `shared/` and `services/`: the checkout, or site-packages when installed from wheels.
TREE = Path(__file__).resolve().parents[2]
#: what every unit has and keeps of an erased household
EVERYWHERE = Path(__file__).with_name("stays.toml")


@dataclass(frozen=True)
class Subscription:
    """`source` is a unit code or a wildcard over unit codes ("cases-*", "*"); `channel` a channel name."""

    source: str
    channel: str

    def covers(self, unit_code: str) -> bool:
        return fnmatchcase(unit_code, self.source)


@dataclass(frozen=True)
class Stays:
    """Tables in which the number of an erased household still stands: what of it, why, how long. A name may end in `*`."""

    tables: tuple[str, ...]
    what: str
    why: str
    until: str

    def covers(self, table: str) -> bool:
        return any(fnmatchcase(table, pattern) for pattern in self.tables)


@dataclass(frozen=True)
class Unit:
    code: str
    title: str
    package: str
    base: str
    accepts_referrals: bool
    welfare_domain: str | None
    publishes: tuple[str, ...]
    consumes: tuple[Subscription, ...]
    serves: tuple[str, ...]
    asks: tuple[str, ...]
    database: str
    migrations: tuple[str, ...]
    navigation: tuple[NavigationEntry, ...]
    owners: tuple[str, ...]
    contact: str
    legal_basis: tuple[str, ...]
    quality: dict[str, list[str]] = field(hash=False)
    root: Path
    #: tables with a household that are filtered by their queries, not row by row (row_security.py); say why in unit.toml
    beyond_row_security: frozenset[str] = frozenset()
    #: bases of work that came by a referral: not the unit's to choose, but its to answer on
    received_basis: tuple[str, ...] = ()
    #: doors that take a larger body than others, path (`*` is one step of it) → MB: the gateway lets these through, the route says it again
    large_bodies: Mapping[str, int] = field(default_factory=dict, hash=False)
    #: tables of its own that keep the number of an erased household; what every unit keeps stands in `stays_everywhere`
    stays: tuple[Stays, ...] = ()

    @property
    def stream(self) -> str:
        """JetStream stream of this unit's events, `EVT_CASES_CHILDREN`."""
        return "EVT_" + self.code.replace("-", "_").upper()

    @property
    def keeps_rights(self) -> bool:
        """Whether it has households to hide at all (the operators' console has none)."""
        return "shared/runtime/migrations" in self.migrations and bool(self.publishes)

    @classmethod
    def load(cls, package: str) -> "Unit":
        """The manifest of an importable unit package ("services.intake"). Raises FileNotFoundError when it has none."""
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise FileNotFoundError(f"{package} is not installed")
        return cls.read(Path(spec.origin).parent / "unit.toml")

    @classmethod
    def read(cls, path: Path) -> "Unit":
        toml = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(
            code=toml["code"],
            title=toml["title"],
            package=toml["package"],
            base=toml["base"],
            accepts_referrals=toml.get("accepts_referrals", False),
            welfare_domain=toml.get("welfare_domain"),
            publishes=tuple(toml.get("publishes", ())),
            consumes=tuple(Subscription(*entry.split(":", 1)) for entry in toml.get("consumes", ())),
            serves=tuple(toml.get("serves", ())),
            asks=tuple(toml.get("asks", ())),
            database=toml["database"],
            migrations=tuple(toml.get("migrations", ())),
            navigation=tuple(NavigationEntry.model_validate(entry) for entry in toml.get("navigation", ())),
            owners=tuple(toml["owners"]),
            contact=toml["contact"],
            legal_basis=tuple(toml.get("legal_basis", ())),
            quality=toml.get("quality", {}),
            root=path.parent,
            beyond_row_security=frozenset(toml.get("beyond_row_security", ())),
            received_basis=tuple(toml.get("received_basis", ())),
            large_bodies=toml.get("large_bodies", {}),
            stays=_stays(toml),
        )


def _stays(toml: Mapping[str, Any]) -> tuple[Stays, ...]:
    return tuple(Stays(tuple(one["tables"]), one["what"], one["why"], one["until"]) for one in toml.get("stays", ()))


@cache
def stays_everywhere() -> tuple[Stays, ...]:
    """What every unit keeps of an erased household."""
    return _stays(tomllib.loads(EVERYWHERE.read_text(encoding="utf-8")))


@cache
def all_units() -> tuple[Unit, ...]:
    """Every unit under services/, sorted by code. For provisioning, tests and the one box; a unit never asks for its siblings."""
    paths = sorted((TREE / "services").glob("**/unit.toml"))
    return tuple(sorted((Unit.read(path) for path in paths), key=lambda unit: unit.code))


@cache
def bases_of(code: str) -> frozenset[str] | None:
    """The legal bases a unit may say facts on, from its manifest. None for a unit that has none here (a test's, the console)."""
    return next((frozenset(unit.legal_basis + unit.received_basis) for unit in all_units() if unit.code == code and unit.legal_basis), None)
