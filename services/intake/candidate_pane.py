"""右の欄「同じ世帯かもしれません」: 候補を示すか、つなぐと決めた世帯を示す。"""

from dataclasses import dataclass
from uuid import UUID

from services.intake import candidate_search, household_store, pages
from services.intake.access import Today
from services.intake.matching import Asked
from services.intake.pages import Card, Linked
from services.intake.sheet import Sheet
from services.intake.typed import Typed
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Read
from shared.runtime.problems import NotFound


@dataclass(frozen=True, slots=True)
class Pane:
    """`asked` は、さがす手がかりが打たれたか。"""

    cards: tuple[Card, ...] = ()
    linked: Linked | None = None
    asked: bool = False


def pressed(typed: Typed, buttons: dict[str, str]) -> Typed:
    """つなぐ・別人・つなぐのをやめる を、様式の欄に直す。打った内容には触れない。"""
    fields = dict(typed.fields)
    if "link" in buttons or "unlink" in buttons:
        fields["household_id"] = [buttons.get("link", "")]
    if "reject" in buttons:
        fields["not_same"] = [*typed.all("not_same"), buttons["reject"]]
    return Typed(fields, typed.kinds)


async def pane(handle: Read, staff: Staff, today: Today, sheet: Sheet) -> Pane:
    if sheet.household_id:
        return await _linked(handle, staff, today, sheet, sheet.household_id)
    asked = [Asked.about(one.person, sheet.town) for one in sheet.persons]
    found = await candidate_search.search(handle, asked, today.parameters.weights, today=today.date, not_same=frozenset(sheet.not_same))
    households = await household_store.load_many(handle, [one.household_id for one in found])
    if found:
        await audit.record(
            handle, staff, "search", "household", len(found), households=households, returned=("name", "birth", "address"), purpose="intake"
        )
    cards = tuple(pages.card(one, pages.as_seen(handle, households[one.household_id]), today.date) for one in found)
    return Pane(cards, asked=any(one.has_keys for one in asked))


async def _linked(handle: Read, staff: Staff, today: Today, sheet: Sheet, household_id: UUID) -> Pane:
    try:
        household = await household_store.load(handle, household_id)
    except NotFound:
        return Pane(asked=True)
    given = pages.given(handle, household.id)
    await audit.record(handle, staff, "view", "household", household.id, household_id=household.id, returned=given, purpose="intake")
    return Pane(linked=pages.linked(pages.as_seen(handle, household), sheet, today.date), asked=True)
