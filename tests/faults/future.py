"""Events of the version after this one: importing this module is the release that knows them."""

from typing import ClassVar
from uuid import UUID

from shared.contracts.event import Event


class FactReviewed(Event):
    """A type that today's units do not know."""

    channel: ClassVar[str] = "fact"
    name: ClassVar[str] = "reviewed"

    fact_id: UUID


class FactRetractedAnew(Event):
    """A major that today's units do not know."""

    channel: ClassVar[str] = "fact"
    name: ClassVar[str] = "retracted"
    major: ClassVar[int] = 2

    fact_id: UUID


KINDS = (FactReviewed, FactRetractedAnew)
