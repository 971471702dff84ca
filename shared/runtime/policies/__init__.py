"""The rights of the desk as Cedar policies (`gates`, `households`, `facts`), for the city to read; a decision is a pure function of a few values.

A forbid beats every permit. The attributes of a household are few yes-or-no values, so equal questions are answered from memory.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from cedarpy import Decision, PolicySet, is_authorized

from shared.contracts.event import LegalBasis
from shared.contracts.lanes import ground

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
    OVERSEE_ALERTS = "overseeAlerts"
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
    SETTLE_REMOVALS = "settleRemovals"
    ATTEND = "attend"
    APPROVE = "approve"


class Level(StrEnum):
    """一つの世帯について: 存在を知る・要約・すべて・所在・書く・（二人目として）取消しや承認を決める。"""

    KNOW = "know"
    SUMMARY = "summary"
    FULL = "full"
    PLACE = "place"
    WRITE = "write"
    SETTLE = "settle"


class OfFact(StrEnum):
    """一つの事実、会議で知ったことの経過について: 見る・（見られないが）あることを知る。"""

    READ = "readFact"
    KNOW = "knowFact"
    READ_NOTE = "readNote"
    KNOW_NOTE = "knowNote"


#: the unit in which a role works; a caseworker works in the desks of the own domains
_UNIT_OF_ROLE = {"reception": "intake", "coordinator": "cases-center", "outreach": "outreach"}


@dataclass(frozen=True, slots=True)
class Reader:
    """What the policies see of a person."""

    roles: frozenset[str]
    domains: frozenset[str] = frozenset()

    @property
    def units(self) -> frozenset[str]:
        """The units this person works in: whom a consent or a conference means when it names a unit."""
        desks = {f"cases-{domain}" for domain in self.domains} if "caseworker" in self.roles else set()
        return frozenset(desks | {unit for role, unit in _UNIT_OF_ROLE.items() if role in self.roles})

    @classmethod
    def of_unit(cls, unit: str) -> "Reader":
        """Whoever works in a unit, and nowhere else: for whom something is sent to the unit."""
        role = next((role for role, own in _UNIT_OF_ROLE.items() if own == unit), None)
        return cls(frozenset({role})) if role else cls(frozenset({"caseworker"}), frozenset({unit.removeprefix("cases-")}))


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
    #: attends a conference about it today, through the unit or by name
    member: bool = False
    #: attends by name: the only way that opens a protected household
    named: bool = False


ORDINARY = Standing()


@cache
def policies(resource: str) -> PolicySet:
    """Those about a "Unit", a "Household" or a "Fact": Cedar looks at every policy of a set for every decision."""
    name = {"Unit": "gates.cedar", "Household": "households.cedar", "Fact": "facts.cedar"}[resource]
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
        "member": standing.member,
        "named": standing.named,
    }
    return decide(reader, level, "Household", attributes)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which facts of one household are read, and of which it is at least known that there are some; the same of what notes say of a
    conference. Keys of `key_of`."""

    read: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    read_notes: frozenset[str] = frozenset()
    known_notes: frozenset[str] = frozenset()


NOTHING = Sight()


#: (told in a conference, in one that the reader attends)
_TOLD = ((False, False), (True, False), (True, True))


def key_of(basis: LegalBasis | str, *, consented: bool, attending: bool, told: bool = False) -> str:
    """All that decides about a fact, in a word that SQL can make as well: "CONSENT+c", "ART106_6+a" (told in a conference that the reader
    attends), "ART106_6+o" (in another one), "STAT"."""
    return f"{LegalBasis(basis).value}{'+c' if consented else ''}{'+a' if attending else '+o' if told else ''}"


@lru_cache(maxsize=1024)
def sight(reader: Reader, place: Place, on: date, *, own: bool, glass: bool = False) -> Sight:
    """One answer for all facts of a page: there are few grounds, however many facts. `own`: this unit recorded them."""
    allowed = {
        action: frozenset(
            key_of(basis, consented=consented, attending=attending, told=told)
            for basis, consented, (told, attending) in product(LegalBasis, (False, True), _TOLD)
            if may_fact(reader, place, action, basis, on, own=own, consented=consented, told=told, attending=attending, glass=glass)
        )
        for action in OfFact
    }
    return Sight(*(allowed[action] for action in OfFact))


def may_fact(
    reader: Reader, place: Place, action: OfFact, basis: LegalBasis, on: date, *, own: bool, consented: bool, attending: bool, told: bool = False,
    glass: bool = False,
) -> bool:  # fmt: skip
    """`consented`: the person's consent is in force and names a unit of the reader. `told`: in a conference, `attending`: that the reader attends."""
    found = ground(basis, on)
    attributes = {
        "kind": place.kind,
        "domain": place.domain,
        "own": own,
        "basis": basis.value,
        "lane": found.lane.value,
        "forum": found.forum.value if found.forum else "",
        "competent": sorted(found.competent),
        "role": found.role,
        "consented": consented,
        "told": told or attending,
        "attending": attending,
        "glass": glass,
    }
    return decide(reader, action, "Fact", attributes)


def decide(reader: Reader, action: StrEnum, resource: str, attributes: dict[str, Any]) -> bool:
    """One decision by Cedar itself; `resource` is "Unit", "Household" or "Fact". What cannot be decided is a no."""
    who = {"roles": sorted(reader.roles), "domains": sorted(reader.domains), "units": sorted(reader.units)}
    entities: list[dict[Any, Any]] = [
        {"uid": {"type": "Staff", "id": "who"}, "attrs": who, "parents": []},
        {"uid": {"type": resource, "id": "what"}, "attrs": attributes, "parents": []},
    ]
    request = {
        "principal": {"type": "Staff", "id": "who"},
        "action": {"type": "Action", "id": action.value},
        "resource": {"type": resource, "id": "what"},
        "context": {},
    }
    return bool(is_authorized(request, policies(resource), entities).decision is Decision.Allow)
