"""The checker must find what it is there to find: each test breaks a whole history in one way. A checker that cannot fail is a defect."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from tests.faults.history import CHECKS, Committed, Effect, History, Kind, Message, Said, judge

CONSUMERS = {"beta": frozenset({("alpha", "fact")}), "gamma": frozenset({("alpha", "fact"), ("beta", "fact")})}
HOME, OTHER = uuid4(), uuid4()
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


def whole() -> History:
    """Two households, three events each from alpha, one answer of beta."""
    marks = {(home, n): uuid4() for home in (HOME, OTHER) for n in (1, 2, 3)}
    event = {mark: uuid4() for mark in marks.values()}
    answer, answered = uuid4(), marks[HOME, 1]
    committed = [Committed("alpha", "fact", home, n, mark, NOON) for (home, n), mark in marks.items()]
    said = [Said("alpha", "fact", home, n, 10 * n + (home == OTHER), event[mark], mark) for (home, n), mark in marks.items()]
    said.append(Said("beta", "fact", HOME, 1, 1, uuid4(), answer))
    effects = [
        Effect(unit, place, "alpha", "fact", row.household, row.n, event[row.mark], row.mark, None, NOON)
        for unit in ("beta", "gamma")
        for place, row in enumerate(committed)
    ]
    effects.append(Effect("gamma", 99, "beta", "fact", HOME, 1, said[-1].event, answer, event[answered], NOON))
    return History(
        consumers=CONSUMERS,
        committed=(*committed, Committed("beta", "fact", HOME, 1, answer, NOON)),
        said=tuple(said),
        effects=tuple(effects),
        messages=tuple(Message(row.source, place, row.event) for place, row in enumerate(said, 1)),
        acknowledged=frozenset(marks.values()),
        waiting={("beta", "held"): 0},
        answers={answer: answered},
        later={("timer", "t1"): (1, 1), ("timer", "t2"): (0, 0)},
    )


def found(history: History) -> set[tuple[Kind, str]]:
    return {(finding.kind, finding.unit) for finding in judge(history)}


def test_a_whole_history_has_no_finding() -> None:
    assert judge(whole()) == ()


def test_an_event_without_its_effect_is_missing_at_that_unit_only() -> None:
    history = whole()
    broken = replace(history, effects=tuple(effect for effect in history.effects if (effect.unit, effect.n) != ("beta", 5)))
    assert found(broken) == {(Kind.MISSING, "beta")}


def test_a_second_effect_is_a_duplicate() -> None:
    history = whole()
    twice = replace(history.effects[2], n=50)
    assert (Kind.DUPLICATE, "beta") in found(replace(history, effects=(*history.effects, twice)))


def test_two_effects_in_the_wrong_order_are_disorder() -> None:
    history = whole()
    first, second, *rest = history.effects
    swapped = (replace(first, n=second.n), replace(second, n=first.n), *rest)
    assert found(replace(history, effects=swapped)) == {(Kind.DISORDER, "beta")}


def test_order_in_one_household_says_nothing_about_another() -> None:
    history = whole()
    mixed = tuple(replace(effect, n=effect.n + (100 if effect.household == HOME else 0)) for effect in history.effects)
    assert judge(replace(history, effects=mixed)) == ()


def test_a_sequence_that_is_not_the_commit_order_is_found() -> None:
    history = whole()
    one, two, *rest = history.said
    renumbered = (replace(one, seq=2, pos=20), replace(two, seq=1, pos=10), *rest)
    assert found(replace(history, said=renumbered)) == {(Kind.NUMBERING, "alpha")}


def test_positions_that_go_back_are_found() -> None:
    history = whole()
    one, two, *rest = history.said
    assert found(replace(history, said=(replace(one, pos=two.pos), replace(two, pos=one.pos), *rest))) == {(Kind.NUMBERING, "alpha")}


def test_an_effect_of_what_nobody_committed_is_invented() -> None:
    history = whole()
    aborted = tuple(row for row in history.committed if row.n != 3)
    assert {(Kind.INVENTED, "beta"), (Kind.INVENTED, "gamma")} <= found(replace(history, committed=aborted, acknowledged=frozenset()))


def test_an_effect_at_a_unit_that_is_not_registered_is_invented() -> None:
    history = whole()
    stray = replace(history.effects[-1], unit="beta", n=99)
    assert (Kind.INVENTED, "beta") in found(replace(history, effects=(*history.effects, stray)))


@pytest.mark.parametrize("event", [uuid4(), None])
def test_a_message_that_no_unit_committed_is_invented(event: UUID | None) -> None:
    history = whole()
    assert found(replace(history, messages=(*history.messages, Message("alpha", 77, event)))) == {(Kind.INVENTED, "alpha")}


def test_an_event_that_is_not_in_the_stream_is_found_although_its_effects_are_there() -> None:
    history = whole()
    assert found(replace(history, messages=history.messages[1:])) == {(Kind.UNSAID, "alpha")}


def test_a_commit_without_its_event_is_found() -> None:
    history = whole()
    silent = Committed("alpha", "fact", OTHER, 4, uuid4(), NOON)
    kinds = {kind for kind, _ in found(replace(history, committed=(*history.committed, silent)))}
    assert kinds == {Kind.UNSAID, Kind.MISSING}


def test_an_acknowledged_commit_that_is_gone_is_found() -> None:
    history = whole()
    assert found(replace(history, acknowledged=history.acknowledged | {uuid4()})) == {(Kind.LOST_COMMIT, "")}


def test_what_still_waits_is_found() -> None:
    assert found(replace(whole(), waiting={("beta", "held"): 1})) == {(Kind.WAITING, "beta")}


def test_an_answer_that_names_another_cause_is_found() -> None:
    history = whole()
    *rest, answer = history.effects
    assert found(replace(history, effects=(*rest, replace(answer, cause=uuid4())))) == {(Kind.UNLINKED, "gamma")}


@pytest.mark.parametrize("times", [(1, 0), (1, 2), (0, 1)])
def test_a_timer_that_fires_never_twice_or_unasked_is_found(times: tuple[int, int]) -> None:
    assert found(replace(whole(), later={("timer", "t1"): times})) == {(Kind.LATER, "beta")}


def test_leaks_and_silent_alarms_are_findings() -> None:
    assert found(replace(whole(), leaks=("nats/jetstream/1.blk",), silent=("beta: dead",))) == {(Kind.LEAK, ""), (Kind.SILENT, "")}


def test_every_check_fires_in_one_of_these_tests() -> None:
    """Whoever adds a check adds a history that breaks it."""
    kinds = {Kind(name) for name in Kind}
    assert len(CHECKS) == 11
    assert len(kinds) == 12
