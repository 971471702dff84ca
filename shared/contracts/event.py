"""The base of every event: a fact somebody may rely on, thin enough to be heard by everyone.

An event carries random identifiers and enumerated facts. A name, an address, a phone number, free text or
a birth date is refused when the class is defined (`Event.__init_subclass__` checks the field types).
"""

import types
import typing
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, NewType
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

HouseholdId = NewType("HouseholdId", UUID)
MemberId = NewType("MemberId", UUID)
ConsultationId = NewType("ConsultationId", UUID)
ReferralId = NewType("ReferralId", UUID)
CaseId = NewType("CaseId", UUID)

#: A value of a code list: short ASCII, so that no sentence and no name can hide in it.
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+.-]{1,32}$")]
#: Year and month, "1944-04": the finest a birth or a "since" is ever published.
Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
#: Unit code, "cases-children": names a deployment, never a person.
UnitCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
#: A staff member's account id as the issuer gives it: an office's own key, never a name or an address of mail.
StaffId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]

#: Title and path of a unit, from its unit.toml (deployment data written by the owners, never typed by a user).
UnitTitle = Annotated[str, StringConstraints(min_length=1, max_length=24)]
UnitPath = Annotated[str, StringConstraints(pattern=r"^/[a-z0-9/_-]{0,60}$")]

_DESK_SPACE = UUID("5d1f6f8e-7f57-4b73-9f2f-3c4f0f1d2a60")


class Lane(StrEnum):
    """共有の区分。Which of the lawful roads a fact travels on (domain.md §0.1-1, plus internal use under 69条2項2号)."""

    CONSENT = "consent"
    ART106_6 = "art106_6"
    MANDATORY_REPORT = "mandatory_report"
    INTERNAL = "internal"


class LegalBasis(StrEnum):
    """根拠コード (domain.md §1.3)。Stamped on every event and every disclosure."""

    CONSENT = "CONSENT"
    ART106_6 = "ART106_6"
    KONKYU_9 = "KONKYU_9"
    INTERNAL_69_2_2 = "INTERNAL_69_2_2"
    EXTERNAL_69_2_3 = "EXTERNAL_69_2_3"
    BENEFIT_69_2_4 = "BENEFIT_69_2_4"
    ABUSE_CHILD = "ABUSE_CHILD"
    ABUSE_ELDER = "ABUSE_ELDER"
    ABUSE_DISAB = "ABUSE_DISAB"
    DV = "DV"
    LIFE_EMERGENCY = "LIFE_EMERGENCY"
    DISASTER = "DISASTER"
    STAT = "STAT"

    @property
    def lane(self) -> Lane:
        match self:
            case LegalBasis.CONSENT:
                return Lane.CONSENT
            case LegalBasis.ART106_6 | LegalBasis.KONKYU_9:
                return Lane.ART106_6
            case LegalBasis.ABUSE_CHILD | LegalBasis.ABUSE_ELDER | LegalBasis.ABUSE_DISAB | LegalBasis.DV | LegalBasis.LIFE_EMERGENCY:
                return Lane.MANDATORY_REPORT
            case _:
                return Lane.INTERNAL


class Confidence(StrEnum):
    """確からしさ。confirmed 確認済 / reported 聞き取り / suspected 疑い。"""

    CONFIRMED = "confirmed"
    REPORTED = "reported"
    SUSPECTED = "suspected"


class ContractError(TypeError):
    """An event class declares a field that could identify a person."""


_SAFE = (bool, int, date, datetime, UUID)


def _refuse_identifying(owner: str, name: str, annotation: object) -> None:
    if typing.get_origin(annotation) is Annotated:
        if annotation in (Code, Month, StaffId, UnitCode, UnitTitle, UnitPath):
            return
        return _refuse_identifying(owner, name, typing.get_args(annotation)[0])
    if isinstance(annotation, NewType):
        return _refuse_identifying(owner, name, annotation.__supertype__)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple, typing.Literal, frozenset):
        if typing.get_origin(annotation) is typing.Literal:
            return
        for part in typing.get_args(annotation):
            if part not in (type(None), Ellipsis):
                _refuse_identifying(owner, name, part)
        return
    if isinstance(annotation, type) and (issubclass(annotation, StrEnum) or annotation in _SAFE):
        if "birth" in name and annotation in (date, datetime):
            raise ContractError(f"{owner}.{name}: a birth date must not travel; publish birth_month (Month)")
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for inner, field in annotation.model_fields.items():
            _refuse_identifying(f"{owner}.{name}", inner, annotation.__annotations__.get(inner, field.annotation))
        return
    raise ContractError(f"{owner}.{name}: {annotation!r} could hold a name, an address or free text; use an id, a code or an enum")


class Event(BaseModel):
    """A past-tense fact about one household. Subclasses set `channel`, `name`, and if needed `major`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: ClassVar[str]
    name: ClassVar[str]
    major: ClassVar[int] = 1

    household_id: HouseholdId
    legal_basis: LegalBasis

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            return
        for field, annotation in typing.get_type_hints(cls, include_extras=True).items():
            if typing.get_origin(annotation) is not ClassVar and field in cls.model_fields:
                _refuse_identifying(cls.__name__, field, annotation)
        CATALOGUE[(cls.channel, cls.name, cls.major)] = cls

    @classmethod
    def type_name(cls) -> str:
        """CloudEvents type, e.g. `jp.tsunagari.household.member_left.v1`."""
        return f"jp.tsunagari.{cls.channel}.{cls.name}.v{cls.major}"


#: Every event class that was defined, by (channel, name, major).
CATALOGUE: dict[tuple[str, str, int], type[Event]] = {}


def desk_aggregate(unit: str) -> HouseholdId:
    """The ordering key of events that concern a unit itself (DomainAnnounced), not a household."""
    return HouseholdId(uuid5(_DESK_SPACE, unit))


__all__ = [
    "CATALOGUE", "CaseId", "Code", "Confidence", "ConsultationId", "ContractError", "Event", "Field", "HouseholdId", "Lane",
    "LegalBasis", "MemberId", "Month", "ReferralId", "StaffId", "UnitCode", "UnitPath", "UnitTitle", "desk_aggregate",
]  # fmt: skip
