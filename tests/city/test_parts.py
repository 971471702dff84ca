"""何を読み込むか: 小さな町のあとの全市は、まだいない世帯だけ。一つの取引にまとめるのは、同じころの出来事だけ。"""

from datetime import timedelta

import pytest

from deploy.city.commands import RegisterHousehold
from deploy.city.ledger import Ledger, Mark
from deploy.city.load import BATCH, Part, _parts, batches
from deploy.city.town import Town
from deploy.city.waiting import CannotLoad


def registered(part: Part) -> set[object]:
    return {c.household for c in part.commands["intake"] if isinstance(c, RegisterHousehold) and not c.duplicate_of}


def test_the_first_load_is_the_town_that_was_asked_for(small: Town) -> None:
    (part,) = _parts(Ledger(small.until), 300)
    assert part.name == "small-300"
    assert registered(part) == {household.id for household in small.households}


def test_the_whole_city_after_a_small_town_adds_who_is_missing_and_keeps_its_end(small: Town) -> None:
    first, rest = _parts(Ledger(small.until, {"small-300": 10}), None)
    assert (first.name, rest.name, rest.until) == ("small-300", "rest", small.until)
    assert not registered(first) & registered(rest)
    assert len(registered(first) | registered(rest)) == 13_405


def test_another_small_town_is_refused(small: Town) -> None:
    with pytest.raises(CannotLoad, match="300 世帯"):
        _parts(Ledger(small.until, {"small-300": 10}), 40)


def test_a_part_counts_what_is_left_to_do(small: Town) -> None:
    (part,) = _parts(Ledger(small.until), 300)
    ledgers = {unit: Ledger(small.until, {"small-300": len(commands)}) for unit, commands in part.commands.items()}
    assert part.left(ledgers) == 0
    assert part.left({**ledgers, "outreach": Ledger()}) == len(part.commands["outreach"])


def test_a_batch_is_small_keeps_the_order_and_never_joins_two_days_of_this_week(small: Town) -> None:
    commands = list(small.commands())
    cut = list(batches(commands, small.until))
    assert [command for batch in cut for command in batch] == commands
    assert max(map(len, cut)) <= BATCH
    for batch in cut:
        if small.until - batch[0].at < timedelta(days=6):
            assert len({(command.at + timedelta(hours=9)).date() for command in batch}) == 1


def test_a_mark_survives_being_written_down(small: Town) -> None:
    mark = Mark("small-300", small.until, 1_234)
    assert Mark.read(str(mark)) == mark
