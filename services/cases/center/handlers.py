"""What the center does with alerts: keeps one draft of a conference per household."""

from uuid import UUID, uuid5

from services.cases.center import conference, store
from services.cases.center.parameters import proposes_on
from shared.contracts.alert import AlertAcknowledged, AlertDismissed, AlertDone, AlertRaised, AlertTaken
from shared.desk.wareki import japan_day
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

    # Somebody took the alert or is done with it; whether the conference is still wanted, people decide on the draft.
    handlers.ignore(AlertAcknowledged, AlertTaken, AlertDone)
