"""A stateful model of one household's road: commits, aborts, crashes, copies, wrong order, lost tails, takeovers, quarantine.

The consumer here is a few lines around `decide`, so that what is tested is the rule itself: whatever the broker and the processes do,
the effects are the committed events, once and in order, and at rest nothing is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from shared.messaging.decide import SubjectState, Verdict, decide

Decide = Callable[[SubjectState, int], Verdict]
SETTINGS = settings(
    derandomize=True, max_examples=120, stateful_step_count=30, deadline=None, database=None,
    phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """What one transaction of the consumer's database holds: position, sequence, held, and the effects."""

    position: int = 0
    state: SubjectState = field(default_factory=SubjectState)
    held: frozenset[int] = frozenset()
    dead: frozenset[int] = frozenset()
    effects: tuple[int, ...] = ()


def took(stored: Stored, seq: int, sick: frozenset[int], rule: Decide) -> Stored:
    """One event through the rule, then what it sets free. `sick`: sequences whose handler fails at the moment."""
    verdict = rule(stored.state, seq)
    if verdict is Verdict.DUPLICATE:
        return stored
    if verdict is not Verdict.APPLY:
        return replace(stored, held=stored.held | {seq})
    if seq in sick:
        return replace(stored, dead=stored.dead | {seq}, state=replace(stored.state, quarantined=True))
    return drained(replace(stored, state=replace(stored.state, last_seq=seq), effects=(*stored.effects, seq), held=stored.held - {seq}), sick, rule)


def drained(stored: Stored, sick: frozenset[int], rule: Decide) -> Stored:
    for seq in sorted(stored.held):
        verdict = rule(stored.state, seq)
        if verdict is Verdict.DUPLICATE:
            stored = replace(stored, held=stored.held - {seq})
        elif verdict is Verdict.APPLY:
            return took(replace(stored, held=stored.held - {seq}), seq, sick, rule)
    return stored


class Household(RuleBasedStateMachine):
    """PostgreSQL is the record (`committed`), the stream is what the broker has of it, perhaps less, perhaps twice."""

    rule_of_order: Decide = staticmethod(decide)

    def __init__(self) -> None:
        super().__init__()
        self.committed = 0
        self.pending: list[int] = []
        self.stream: list[int] = []
        self.stored = Stored()
        self.zombie: Stored | None = None
        self.sick: frozenset[int] = frozenset()

    # ── the producer ──────────────────────────────────────────────
    @rule(count=st.integers(1, 3))
    def commit(self, count: int) -> None:
        self.pending += range(self.committed + 1, self.committed + count + 1)
        self.committed += count

    @rule()
    def abort(self) -> None:
        """The counter goes back with the transaction: nothing to do, and nothing to see."""

    @precondition(lambda self: self.pending)
    @rule(forgets=st.booleans())
    def publish(self, forgets: bool) -> None:
        """The relay stores a batch; when it dies before the mark, the same rows are stored again later."""
        self.stream += self.pending
        if not forgets:
            self.pending = []

    # ── the broker ────────────────────────────────────────────────
    @precondition(lambda self: self.stream)
    @rule(choice=st.data())
    def copy(self, choice: st.DataObject) -> None:
        self.stream.append(choice.draw(st.sampled_from(self.stream)))

    @precondition(lambda self: len(self.stream) > self.stored.position + 1)
    @rule()
    def turn_round(self) -> None:
        """What was not yet delivered comes backwards."""
        at = self.stored.position
        self.stream[at:] = reversed(self.stream[at:])

    @precondition(lambda self: self.stream)
    @rule(keep=st.integers(0, 30))
    def lose_tail(self, keep: int) -> None:
        """Noticed by the regress check: what is gone waits to be published again, and the consumer reads from the beginning."""
        gone = self.stream[keep:]
        self.stream = self.stream[:keep]
        self.pending = sorted({*self.pending, *(seq for seq in gone if seq not in self.stream)})
        if gone:
            self.stored = replace(self.stored, position=0)

    @precondition(lambda self: self.stream)
    @rule(choice=st.data())
    def lose_one(self, choice: st.DataObject) -> None:
        """A hole: found by the audit, published again at the end."""
        seq = choice.draw(st.sampled_from(self.stream))
        at = self.stream.index(seq)
        del self.stream[at]
        if at < self.stored.position:
            self.stored = replace(self.stored, position=self.stored.position - 1)
        if seq not in self.stream and seq not in self.pending:
            self.pending.append(seq)

    # ── the consumer ──────────────────────────────────────────────
    def _batch(self, stored: Stored, size: int) -> Stored:
        for seq in self.stream[stored.position : stored.position + size]:
            stored = took(stored, seq, self.sick, self.rule_of_order)
        return replace(stored, position=min(stored.position + size, len(self.stream)))

    @rule(size=st.integers(1, 8), crashes=st.booleans())
    def consume(self, size: int, crashes: bool) -> None:
        """One transaction: a crash before the commit leaves nothing of it."""
        after = self._batch(self.stored, size)
        if not crashes:
            self.stored = after

    @rule(size=st.integers(1, 8))
    def freeze(self, size: int) -> None:
        """A consumer stops in the middle of its transaction; its successor goes on from what is committed."""
        self.zombie = self._batch(self.stored, size)

    @precondition(lambda self: self.zombie is not None)
    @rule()
    def wake(self) -> None:
        """The fence: its epoch is gone, and what it did is rolled back."""
        self.zombie = None

    @precondition(lambda self: self.committed)
    @rule(choice=st.data())
    def fall_ill(self, choice: st.DataObject) -> None:
        self.sick = self.sick | {choice.draw(st.integers(1, self.committed + 2))}

    @rule()
    def release(self) -> None:
        """A person repaired the handler: the dead are tried again, then what was held, in order."""
        self.sick = frozenset()
        again = replace(self.stored, held=self.stored.held | self.stored.dead, dead=frozenset(), state=replace(self.stored.state, quarantined=False))
        self.stored = drained(again, self.sick, self.rule_of_order)

    # ── what must hold ────────────────────────────────────────────
    @invariant()
    def effects_are_the_contiguous_prefix_once_and_in_order(self) -> None:
        assert self.stored.effects == tuple(range(1, len(self.stored.effects) + 1))
        assert len(self.stored.effects) <= self.committed

    @invariant()
    def nothing_that_arrived_is_forgotten(self) -> None:
        """Every event that was delivered has its effect, is held, or is dead and shown to a person."""
        arrived = set(self.stream[: self.stored.position])
        assert arrived <= {*self.stored.effects, *self.stored.held, *self.stored.dead}

    def teardown(self) -> None:
        """At rest nothing is missing."""
        self.stream += self.pending
        self.pending = []
        self.release()
        while self.stored.position < len(self.stream):
            self.stored = self._batch(self.stored, 8)
        assert self.stored.effects == tuple(range(1, self.committed + 1))
        assert not self.stored.held | self.stored.dead


def test_whatever_broker_and_processes_do_the_effects_are_the_commits_once_and_in_order() -> None:
    run_state_machine_as_test(Household, settings=SETTINGS)


def _applies_the_last_again(state: SubjectState, seq: int) -> Verdict:
    return Verdict.APPLY if seq == state.last_seq and seq > 0 else decide(state, seq)


def _jumps_over_gaps(state: SubjectState, seq: int) -> Verdict:
    return Verdict.APPLY if decide(state, seq) is Verdict.GAP else decide(state, seq)


def _forgets_quarantine(state: SubjectState, seq: int) -> Verdict:
    return decide(replace(state, quarantined=False), seq) if seq != state.last_seq + 1 else Verdict.DUPLICATE


def _takes_a_gap_for_a_copy(state: SubjectState, seq: int) -> Verdict:
    return Verdict.DUPLICATE if decide(state, seq) is Verdict.GAP else decide(state, seq)


@pytest.mark.parametrize("mutant", [_applies_the_last_again, _jumps_over_gaps, _forgets_quarantine, _takes_a_gap_for_a_copy])
def test_the_model_catches_a_wrong_rule(mutant: Decide) -> None:
    class Broken(Household):
        rule_of_order = staticmethod(mutant)

    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(Broken, settings=SETTINGS)
