"""A small town for the tests of outreach: a mother of 82, her son, one worker, one referral."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.outreach.parameters import rules_on
from services.outreach.staff import StaffRef
from services.outreach.watch import CheckIn, Rules, Watch, check_in, plan
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.event import HouseholdId, LegalBasis, MemberId, ReferralId
from shared.contracts.referral import ReferralMade
from shared.contracts.visit import CheckInOutcome, WatchTier

TODAY = date(2026, 11, 23)
#: 2026-11-23 10:00 in Japan
NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
HOUSEHOLD = HouseholdId(UUID("2f0e7b52-0000-4000-8000-000000000001"))
MOTHER = MemberId(UUID("2f0e7b52-0000-4000-8000-0000000000a1"))
SON = MemberId(UUID("2f0e7b52-0000-4000-8000-0000000000a2"))
AYUMU, KEI = StaffRef("homon-1", "見本 あゆむ"), StaffRef("homon-2", "見本 けい")


def rules(on: date = TODAY) -> Rules:
    return rules_on(on)


def a_watch(tier: WatchTier = WatchTier.B, at: datetime = NOW, member: MemberId | None = MOTHER) -> Watch:
    return plan(uuid4(), HOUSEHOLD, member, tier, basis=LegalBasis.CONSENT, by=AYUMU, at=at, rules=rules()).state


def seen(watch: Watch, outcome: CheckInOutcome, at: datetime, *, now: datetime | None = None, **more: Any) -> Watch:
    """The watch after one check-in."""
    made = CheckIn(uuid4(), outcome, at, **{"called": True} | more)
    return check_in(watch, made, seen=watch.version, by=AYUMU, now=now or at, rules=rules()).state


def made(**changes: Any) -> ReferralMade:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD,
        "legal_basis": LegalBasis.CONSENT,
        "referral_id": ReferralId(uuid4()),
        "to": "outreach",
        "receipt_no": "R8-0001",
        "member_ids": (MOTHER,),
        "topics": ("09",),
        "urgency": Urgency.C,
        "consent": ConsentState.GIVEN,
        "made_on": TODAY,
        "reply_due": TODAY + timedelta(days=7),
    }
    return ReferralMade(**values | changes)
