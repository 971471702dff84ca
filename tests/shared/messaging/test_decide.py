"""The rule of order and idempotence, for every way a stream can misbehave."""

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.decide import SubjectState, Verdict, decide


def test_the_table() -> None:
    state = SubjectState(last_seq=3)
    assert [decide(state, seq) for seq in (1, 3, 4, 5)] == [Verdict.DUPLICATE, Verdict.DUPLICATE, Verdict.APPLY, Verdict.GAP]


def test_a_quarantined_household_waits_but_copies_of_what_it_has_are_still_copies() -> None:
    state = SubjectState(last_seq=3, quarantined=True)
    assert [decide(state, seq) for seq in (3, 4, 5)] == [Verdict.DUPLICATE, Verdict.QUARANTINED, Verdict.QUARANTINED]


@given(st.lists(st.integers(1, 12), max_size=60))
def test_whatever_arrives_effects_are_the_contiguous_prefix_once_and_in_order(arrivals: list[int]) -> None:
    state, held, effects = SubjectState(), set(), []
    for seq in arrivals:
        if decide(state, seq) is Verdict.GAP:
            held.add(seq)
        elif decide(state, seq) is Verdict.APPLY:
            held.add(seq)
            while state.last_seq + 1 in held:
                state = state.applied(state.last_seq + 1)
                effects.append(state.last_seq)
    reachable = next(seq for seq in range(1, 14) if seq not in arrivals)
    assert effects == list(range(1, reachable))


@given(st.integers(0, 50), st.booleans(), st.integers(1, 60))
def test_exactly_one_sequence_may_be_applied(last: int, quarantined: bool, seq: int) -> None:
    verdict = decide(SubjectState(last, quarantined), seq)
    assert (verdict is Verdict.APPLY) == (seq == last + 1 and not quarantined)
