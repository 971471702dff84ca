"""重層的支援会議は、多機関協働のプランへの同意の上に立つ: 相談支援だけの同意では、招集できず、出席者に事実も開かない。"""

from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.contracts.conference import Forum
from shared.contracts.consent import Purpose
from shared.contracts.consultation import ConsentState
from shared.contracts.event import Lane, LegalBasis
from tests.cases.builders import MOTHER, SON, TODAY
from tests.cases.desk import NOGUCHI, DeskUnderTest
from tests.cases.test_consent import said
from tests.cases.test_withdrawal import given
from tests.rights.test_lanes import KODOMO, agree, convene, drafted, opened, put


@pytest.fixture
async def item(center: DeskUnderTest) -> str:
    """A draft about a household of two adults; the mother has agreed in words without purposes."""
    await opened(center, NOGUCHI, consent=ConsentState.GIVEN)
    return await drafted(center, lane=Lane.CONSENT)


SUPPORT = (Purpose.CONSULTATION,)


async def test_a_consented_conference_needs_the_plan_among_the_purposes(center: DeskUnderTest, item: str) -> None:
    await agree(center, SON, ("cases-center",), SUPPORT)
    refused = await convene(center, item, Forum.CONSENTED)
    assert refused.status_code == 422
    words = "同意のない人: 子（目的の「多機関協働のプラン」が入っていません。受付で取り直せます）"
    assert words in refused.text
    assert words in (await center.get(item, NOGUCHI)).text
    await center.hear(given(SON, recipients=("cases-center",), purposes=("plan",), valid_from=TODAY + timedelta(days=1)))
    assert (await convene(center, item, Forum.CONSENTED)).status_code == 303


async def test_a_consent_for_the_support_alone_opens_no_fact_to_the_members_of_the_conference(center: DeskUnderTest, item: str) -> None:
    """The conference goes on: nobody said no. What is told of that person is closed until the plan is among the purposes again."""
    await agree(center, SON, ("cases-center",))
    assert (await convene(center, item, Forum.CONSENTED)).status_code == 303
    (held,) = await center.rows("select conference_id, case_id from conference, case_file")
    await put(center, f"/cases/{held.case_id}", LegalBasis.CONSENT, MOTHER, "care_level", held.conference_id)

    async def shown() -> bool:
        return "要介護" in (await center.get(item, KODOMO)).text

    for purposes, open_now in ((("plan",), True), (("consultation",), False), (("statistics",), False), (("consultation", "plan"), True)):
        changes = {"purposes": list(purposes), "recipients": ["cases-center", "cases-children"]}
        async with center.db.transaction() as tx:
            await tx.execute(text("update consent set purposes = :purposes, recipients = :recipients where member_id = :m"), changes | {"m": MOTHER})
        assert await shown() is open_now, purposes
        await center.hear(said("given", SON, as_of=TODAY + timedelta(days=1)), "cases-elderly")
        assert "終わった会議" not in (await center.get(item, NOGUCHI)).text
