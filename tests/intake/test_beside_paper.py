"""口頭の「同意あり」は、続いている同意書を狭めも広げもしない。"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.intake.beside_paper import PURPOSES, beside, widened
from services.intake.consent import Consent, Consents, GivenBy, Source
from shared.contracts.consent import ConsentForm, ConsentGiven, ConsentItem, Purpose
from shared.contracts.event import LegalBasis
from tests.intake.conftest import Desk
from tests.intake.test_consent import DAY, HOME, MOTHER, NOON
from tests.intake.test_consent_at_the_desk import family, give
from tests.intake.test_disclosure import ask
from tests.intake.test_reception import MOTHER_AND_SON

CENTER, ELDERLY, VISITS = "cases-center", "cases-elderly", "outreach"
PLAN = frozenset({Purpose.CONSULTATION, Purpose.PLAN})


def paper(*units: str, **more: Any) -> Consent:
    made = Consent(
        uuid4(), HOME, MOTHER, PLAN, frozenset(units), frozenset({ConsentItem.ADDRESS}), ConsentForm.WRITTEN, GivenBy.SELF, DAY, DAY,
        DAY + timedelta(days=99), NOON, Source.FORM,
    )  # fmt: skip
    return replace(made, **more)


def word(*units: str) -> Consent:
    later = {"said_at": NOON + timedelta(hours=1), "source": Source.CONSULTATION, "valid_to": DAY + timedelta(days=364)}
    return paper(*units, purposes=PURPOSES, excluded=frozenset(), form=ConsentForm.ORAL, **later)


def test_where_the_paper_is_enough_it_stays_the_word() -> None:
    signed, said = paper(CENTER), word(CENTER, ELDERLY)
    kept = beside(Consents((signed,)), said, DAY)
    assert kept == replace(said, recipients=frozenset({ELDERLY}))
    known = Consents((signed, kept))
    assert known.standing(MOTHER, CENTER, DAY, (Purpose.PLAN,)) == signed, "a yes at the reception must not end the conference"
    assert known.standing(MOTHER, ELDERLY, DAY, (Purpose.PLAN,)) is None


def test_where_it_is_not_the_word_adds_its_purposes_and_keeps_what_was_left_out() -> None:
    signed = paper(VISITS)
    kept = beside(Consents((signed,)), word(VISITS), DAY)
    assert (kept.purposes, kept.excluded, kept.valid_to) == (PLAN | PURPOSES, {ConsentItem.ADDRESS}, signed.valid_to)
    again = beside(Consents((signed, kept)), replace(word(VISITS), said_at=NOON + timedelta(hours=2)), DAY)
    assert (again.purposes, again.excluded, again.valid_to) == (kept.purposes, kept.excluded, signed.valid_to), "however often it is said"


def test_no_purpose_reaches_a_desk_to_which_it_was_never_said() -> None:
    only_plan = paper(CENTER, purposes=frozenset({Purpose.STATISTICS}))
    kept = beside(Consents((only_plan,)), word(CENTER, ELDERLY), DAY)
    assert (kept.purposes, kept.recipients) == (PURPOSES, {CENTER, ELDERLY})
    alone = beside(Consents((only_plan,)), word(CENTER), DAY)
    assert widened(Consents((only_plan, alone)), alone, [CENTER], DAY) == alone
    assert Purpose.STATISTICS in alone.purposes
    wider = widened(Consents((only_plan, alone)), alone, [ELDERLY], DAY)
    assert (wider.recipients, Purpose.STATISTICS in wider.purposes) == ({CENTER, ELDERLY}, False)


@pytest.mark.parametrize(("days", "stays"), [(99, True), (100, False)], ids=["the last day", "the day after"])
def test_a_paper_that_has_run_out_limits_nothing(days: int, stays: bool) -> None:
    said = word(CENTER)
    assert (beside(Consents((paper(CENTER),)), said, DAY + timedelta(days=days)) != said) is stays


async def test_a_yes_at_the_reception_neither_tells_the_address_nor_ends_the_plan(desk: Desk) -> None:
    made, path, people = await family(desk)
    mother = people["見本 文子"]
    await give(desk, path, mother, purposes=["consultation", "plan"], recipients=["cases-elderly"], excluded=["address"])
    await desk.take(**MOTHER_AND_SON | {"consent": "given", "refer_to": "cases-elderly", "household_id": str(made.household_id)})
    given = [event for event in await desk.said() if isinstance(event, ConsentGiven)]
    assert [event.purposes for event in given] == [("consultation", "plan")], "the desk hears of no narrower one"
    answer = await ask(desk, made, legal_basis=LegalBasis.CONSENT)
    assert (len(answer.members), answer.address) == (1, None)
