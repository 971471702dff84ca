"""消してよいか: 期間と、消せないわけ。"""

from datetime import date

import pytest

from services.intake.retention import Block, EraseReason, ErasureBlocked, Standing, next_review
from shared.runtime.retention import periods_on

PERIODS = periods_on(date(2026, 11, 26))
SAID, DUE = date(2026, 11, 20), date(2032, 4, 1)


def test_a_household_is_due_five_fiscal_years_after_its_last_movement() -> None:
    assert Standing(SAID).due_on(PERIODS) == DUE
    assert Standing(SAID).blocks(date(2032, 3, 31), PERIODS) == (Block.OWN_PERIOD,)
    assert Standing(SAID).blocks(DUE, PERIODS) == ()


@pytest.mark.parametrize(
    ("standing", "block"),
    [
        (Standing(SAID, held=True), Block.LEGAL_HOLD),
        (Standing(SAID, running=frozenset({"case"})), Block.CASE_OPEN),
        (Standing(SAID, running=frozenset({"watch"})), Block.WATCH_OPEN),
        (Standing(SAID, referral_waits=True), Block.REFERRAL_STANDING),
        (Standing(SAID, protected=True), Block.PROTECTION),
    ],
)
def test_what_still_goes_on_blocks_even_a_granted_request(standing: Standing, block: Block) -> None:
    assert standing.blocks(DUE, PERIODS) == (block,)
    for reason in EraseReason:
        with pytest.raises(ErasureBlocked, match="erasure_blocked") as refused:
            standing.must_be_clear(reason, DUE, PERIODS)
        assert block.label in refused.value.sentence


@pytest.mark.parametrize(
    ("standing", "block"),
    [
        (Standing(SAID, ended={"case": date(2031, 4, 1)}), Block.OTHER_PERIOD),
        (Standing(SAID, ended={"watch": date(2027, 4, 1)}), Block.OTHER_PERIOD),
        (Standing(SAID, consented_on=date(2031, 10, 1)), Block.CONSENT_STANDING),
        (Standing(date(2027, 4, 1)), Block.OWN_PERIOD),
    ],
)
def test_a_granted_request_does_not_wait_for_periods_nor_for_the_consent_that_is_taken_back(standing: Standing, block: Block) -> None:
    assert standing.blocks(DUE, PERIODS) == (block,)
    with pytest.raises(ErasureBlocked):
        standing.must_be_clear(EraseReason.PERIOD_ENDED, DUE, PERIODS)
    standing.must_be_clear(EraseReason.REQUEST, DUE, PERIODS)


def test_the_period_of_another_desk_that_is_over_blocks_nothing() -> None:
    assert Standing(SAID, ended={"case": date(2027, 3, 31), "watch": date(2020, 1, 1)}).blocks(DUE, PERIODS) == ()


def test_a_lead_that_is_kept_is_counted_anew() -> None:
    assert next_review(date(2026, 5, 20), None, PERIODS) == (date(2026, 11, 21), date(2027, 5, 21))
    assert next_review(date(2026, 5, 20), date(2026, 11, 25), PERIODS) == (date(2027, 5, 26), date(2027, 11, 26))
