"""What to do with one event of one household. Pure: the whole rule of order and idempotence is here."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


class Verdict(StrEnum):
    APPLY = "apply"
    #: its effect is already in this database
    DUPLICATE = "duplicate"
    #: an earlier event of the household has not arrived
    GAP = "gap"
    #: an earlier event of the household failed and waits for a person
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class SubjectState:
    """Of one (source, channel, household): the sequence applied last, and whether the household is set aside."""

    last_seq: int = 0
    quarantined: bool = False

    def applied(self, seq: int) -> Self:
        if seq != self.last_seq + 1:
            raise ValueError(f"sequence {seq} cannot follow {self.last_seq}")
        return replace(self, last_seq=seq)


def decide(state: SubjectState, seq: int) -> Verdict:
    """Sequences of a household are contiguous from 1, so the number alone tells a copy from a gap."""
    if seq <= state.last_seq:
        return Verdict.DUPLICATE
    if state.quarantined:
        return Verdict.QUARANTINED
    return Verdict.APPLY if seq == state.last_seq + 1 else Verdict.GAP
