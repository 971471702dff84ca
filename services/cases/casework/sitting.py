"""One form sent by one caseworker about one case: what every saving route is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from services.cases.casework import store, views
from services.cases.casework.access import Desk, caseworker
from services.cases.casework.case import Case
from services.cases.casework.decision import Caseworker
from services.cases.casework.forms import Typed
from services.cases.casework.profile import Rules
from shared.contracts.event import LegalBasis
from shared.desk import redirect, render
from shared.desk.wareki import japan_day
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Transaction
from shared.runtime.problems import Refusal

#: form → the tab it stands on
TAB = {"note": "notes", "fact": "facts", "refer": "referrals", "suspend": "notes", "close": "notes"}


@dataclass(frozen=True)
class Sitting:
    request: Request
    desk: Desk
    staff: Staff
    form: FormData
    tx: Transaction

    @cached_property
    def typed(self) -> Typed:
        return Typed(self.form, japan_day(self.tx.now))

    @property
    def by(self) -> Caseworker:
        return caseworker(self.staff)

    @property
    def rules(self) -> Rules:
        return self.desk.rules(self.typed.today)

    @property
    def base(self) -> str:
        return self.desk.unit.base

    async def audit(self, action: str, kind: str, object_id: UUID, case: Case, basis: LegalBasis | None = None) -> None:
        """`basis`: where it is not that of the case."""
        basis = basis or case.legal_basis
        await audit.record(self.tx, self.staff, action, kind, object_id, household_id=case.household_id, purpose="casework", legal_basis=basis)


Work = Callable[[Sitting, Case], Awaitable[None]]


async def on_case(sitting: Sitting, case_id: UUID, name: str, work: Work) -> Response:
    """Loads the case for changing, does `work`, leads back to its tab. A field that is wrong gives the form `name` back as it was typed;
    any other refusal leaves the page standing and is shown above it."""
    case = await store.case_to_change(sitting.tx, case_id)
    try:
        await work(sitting, case)
    except Refusal as refusal:
        if refusal.status != 422:
            raise
        return await _again(sitting, case, name, refusal)
    return redirect(sitting.request, f"{sitting.base}/cases/{case_id}?tab={TAB[name]}")


async def _again(sitting: Sitting, case: Case, name: str, refusal: Refusal) -> Response:
    kind = sitting.typed.text("kind", 32) if name == "fact" else ""
    values: dict[str, Any] = await views.case_page(sitting.tx, sitting.desk, sitting.staff, case, tab=TAB[name], kind=kind)
    values[name] |= sitting.typed.values()
    values["writing"] = name == "note"
    values["errors"] = {name: refusal.fields or {"": refusal.sentence}}
    return render(sitting.request, "case.html", values, block=f"{name}_form", status=422)
