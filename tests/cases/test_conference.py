"""会議の案: 同意のない案件は支援会議だけ、一つの世帯に案は一つ (domain.md §1.2)。"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.cases.center.conference import Draft, DraftState, Forum, drop, propose
from services.cases.center.parameters import proposes_on
from shared.contracts.alert import AlertRaised, Severity
from shared.contracts.event import Lane, LegalBasis
from tests.cases.builders import HOUSEHOLD, TODAY

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
PROPOSES = proposes_on(TODAY, None)


def an_alert(rule: str = "R-502", lane: Lane = Lane.INTERNAL, **changes: Any) -> AlertRaised:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD, "legal_basis": LegalBasis.INTERNAL_69_2_2, "alert_id": uuid4(), "rule_id": rule, "rule_version": "1",
        "severity": Severity.S3, "domains": ("cases-elderly",), "to": "cases-center", "lane": lane, "raised_at": NOW, "due": NOW + timedelta(days=14),
    }  # fmt: skip
    return AlertRaised(**values | changes)


def drafted(*alerts: AlertRaised) -> Draft:
    draft: Draft | None = None
    for alert in alerts:
        draft = propose(alert, draft, proposes=PROPOSES, conference_id=uuid4())
    assert draft is not None
    return draft


def test_without_consent_only_the_confidential_conference_is_offered() -> None:
    draft = drafted(an_alert())
    assert (draft.forum, draft.lane) == (Forum.CONFIDENTIAL, Lane.ART106_6)


def test_with_consent_for_every_reason_the_consented_conference_is_offered() -> None:
    assert drafted(an_alert(lane=Lane.CONSENT)).forum is Forum.CONSENTED
    assert drafted(an_alert(lane=Lane.CONSENT), an_alert("R-503")).forum is Forum.CONFIDENTIAL


def test_a_household_has_one_draft_that_gathers_reasons_desks_and_the_nearest_due() -> None:
    soon = an_alert("R-907", domains=("cases-poverty", "cases-elderly"), due=NOW + timedelta(days=3))
    first = drafted(an_alert())
    second = propose(soon, first, proposes=PROPOSES, conference_id=uuid4())
    assert second is not None
    assert second.conference_id == first.conference_id
    assert [reason.rule_id for reason in second.reasons] == ["R-502", "R-907"]
    assert second.domains == ("cases-elderly", "cases-poverty")
    assert second.due == soon.due


def test_the_same_alert_heard_twice_is_one_reason() -> None:
    alert = an_alert()
    assert len(drafted(alert, alert).reasons) == 1


def test_a_rule_that_calls_for_no_conference_makes_no_draft() -> None:
    assert propose(an_alert("R-101"), None, proposes=PROPOSES, conference_id=uuid4()) is None


def test_a_dismissed_alert_takes_its_reason_away_and_the_last_one_the_draft() -> None:
    one, two = an_alert(), an_alert("R-503")
    left = drop(drafted(one, two), one.alert_id)
    assert [reason.alert_id for reason in left.reasons] == [two.alert_id]
    assert drop(left, two.alert_id).state is DraftState.DROPPED
