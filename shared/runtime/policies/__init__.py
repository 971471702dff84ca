"""The rights of the desk as Cedar policies (`gates.cedar`, `households.cedar`), for the city to read; a decision is a pure function of a few values.

A forbid beats every permit. The attributes of a household are few yes-or-no values, so equal questions are answered from memory.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from cedarpy import Decision, PolicySet, is_authorized

HERE = Path(__file__).parent


class Gate(StrEnum):
    """画面に入る権利。"""

    RECEIVE = "receive"
    READ_REGISTER = "readRegister"
    READ_HEADER = "readHeader"
    READ_CASES = "readCases"
    WRITE_CASES = "writeCases"
    READ_WATCH = "readWatch"
    WRITE_WATCH = "writeWatch"
    READ_INBOX = "readInbox"
    TRIAGE = "triage"
    READ_STRIP = "readStrip"
    OPERATE = "operate"
    DECLARE_PROTECTION = "declareProtection"
    GUARD = "guard"
    DECLARE_CONFLICT = "declareConflict"
    REQUEST_GLASS = "requestGlass"
    WITNESS_GLASS = "witnessGlass"
    REVIEW_GLASS = "reviewGlass"
    AGREE = "agree"
    READ_CONSENTS = "readConsents"
    MANAGE_ACCOUNTS = "manageAccounts"
    MANAGE_RETENTION = "manageRetention"
    READ_AUDIT = "readAudit"


class Level(StrEnum):
    """一つの世帯について: 存在を知る・要約・すべて・所在・書く。"""

    KNOW = "know"
    SUMMARY = "summary"
    FULL = "full"
    PLACE = "place"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Reader:
    """What the policies see of a person."""

    roles: frozenset[str]
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """What the policies see of a unit: `kind` intake, desk, center, outreach, notify or console; `domain` of a desk, else empty."""

    kind: str
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands between this person and this household, here."""

    protected: bool = False
    conflict: bool = False
    care_team: bool = False
    glass: bool = False


ORDINARY = Standing()


@cache
def policies(resource: str) -> PolicySet:
    """Those about a "Unit" or about a "Household": Cedar looks at every policy of a set for every decision."""
    name = {"Unit": "gates.cedar", "Household": "households.cedar"}[resource]
    return PolicySet.from_str((HERE / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=8192)
def may_enter(reader: Reader, place: Place, gate: Gate) -> bool:
    return decide(reader, gate, "Unit", {"kind": place.kind, "domain": place.domain})


@lru_cache(maxsize=8192)
def may(reader: Reader, place: Place, level: Level, standing: Standing = ORDINARY) -> bool:
    attributes = {
        "kind": place.kind,
        "domain": place.domain,
        "protected": standing.protected,
        "conflict": standing.conflict,
        "careTeam": standing.care_team,
        "glass": standing.glass,
    }
    return decide(reader, level, "Household", attributes)


def decide(reader: Reader, action: StrEnum, resource: str, attributes: dict[str, Any]) -> bool:
    """One decision by Cedar itself; `resource` is "Unit" or "Household". What cannot be decided is a no."""
    entities: list[dict[Any, Any]] = [
        {"uid": {"type": "Staff", "id": "who"}, "attrs": {"roles": sorted(reader.roles), "domains": sorted(reader.domains)}, "parents": []},
        {"uid": {"type": resource, "id": "what"}, "attrs": attributes, "parents": []},
    ]
    request = {
        "principal": {"type": "Staff", "id": "who"},
        "action": {"type": "Action", "id": action.value},
        "resource": {"type": resource, "id": "what"},
        "context": {},
    }
    return bool(is_authorized(request, policies(resource), entities).decision is Decision.Allow)
