"""What the center does with alerts: keeps one draft of a conference per household. A consent taken back ends the conference that stood on it."""

from uuid import UUID, uuid5

from services.cases.casework.decision import japan_day
from services.cases.center import PROFILE, conference, convening, store
from services.cases.center.parameters import proposes_on
from shared.contracts.alert import AlertAcknowledged, AlertDismissed, AlertDone, AlertRaised, AlertTaken
from shared.contracts.conference import Forum
from shared.contracts.consent import ConsentWithdrawn
from shared.messaging import Envelope, Handlers
from shared.runtime.database import Transaction
from shared.runtime.settings import Settings

#: the same first alert always makes the same draft, however often it is heard
_SPACE = UUID("0f6f0a52-8a0e-4c7c-9f3e-7d2f6f1d9b11")


def hear_alerts(handlers: Handlers, settings: Settings) -> None:
    @handlers.on(AlertRaised)
    async def alert_raised(tx: Transaction, event: AlertRaised, envelope: Envelope) -> None:
        existing = next(iter(await store.drafts_of_household(tx, event.household_id)), None)
        proposes = proposes_on(japan_day(tx.now), settings.city_parameters)
        draft = conference.propose(event, existing, proposes=proposes, conference_id=uuid5(_SPACE, str(event.alert_id)))
        if draft:
            await store.save_draft(tx, draft)

    @handlers.on(AlertDismissed)
    async def alert_dismissed(tx: Transaction, event: AlertDismissed, envelope: Envelope) -> None:
        for existing in await store.drafts_of_household(tx, event.household_id):
            if any(reason.alert_id == event.alert_id for reason in existing.reasons):
                await store.save_draft(tx, conference.drop(existing, event.alert_id))

    @handlers.on(ConsentWithdrawn)
    async def consent_withdrawn(tx: Transaction, event: ConsentWithdrawn, envelope: Envelope) -> None:
        """重層的支援会議は同意の上に立つ: センターへの同意が撤回されれば、その世帯の会議は終わる。"""
        if PROFILE.unit not in event.recipients:
            return
        for held in await store.drafts_of_household(tx, event.household_id):
            if held.convening and held.forum is Forum.CONSENTED:
                await store.save_conference(tx, convening.break_off(held, on=japan_day(tx.now)))

    # Somebody took the alert or is done with it; whether the conference is still wanted, people decide on the draft.
    handlers.ignore(AlertAcknowledged, AlertTaken, AlertDone)
