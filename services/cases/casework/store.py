"""What this desk itself has decided: cases and referrals. State and events go into one COMMIT."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import tables
from services.cases.casework.case import Case
from services.cases.casework.decision import Caseworker
from services.cases.casework.referral import Referral, ReferralState
from shared.contracts.case import CaseState
from shared.contracts.consultation import ConsentState, Urgency
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId, ConsultationId, HouseholdId, LegalBasis, ReferralId
from shared.contracts.referral import DeclineReason
from shared.runtime.database import Read, Transaction
from shared.runtime.problems import NotFound

c, r = tables.case_file, tables.referral
WAITING = [state.value for state in ReferralState if state.waiting]


def _case(row: Row[Any]) -> Case:
    values = dict(row._mapping)
    for ours in ("updated_at", "updated_by_name"):
        values.pop(ours)
    return Case(
        **values
        | {
            "state": CaseState(row.state),
            "member_ids": tuple(row.member_ids),
            "consent": ConsentState(row.consent),
            "legal_basis": LegalBasis(row.legal_basis),
            "urgency": Urgency(row.urgency),
            "topics": tuple(row.topics),
            "caseworker": Caseworker(row.caseworker, values.pop("caseworker_name")),
        }
    )


async def case(handle: Read, case_id: UUID) -> Case:
    """For looking. NotFound when this desk has no such case."""
    row = await handle.row(select(c).where(c.c.case_id == case_id))
    if row is None:
        raise NotFound
    return _case(row)


async def case_to_change(tx: Transaction, case_id: UUID) -> Case:
    """For deciding: whoever else decides on it waits until this transaction ends, and then sees what it did."""
    row = await tx.row(select(c).where(c.c.case_id == case_id).with_for_update())
    if row is None:
        raise NotFound
    return _case(row)


async def open_case_of(tx: Transaction, household_id: HouseholdId) -> Case | None:
    """この窓口で開いている、その世帯のケース。Serialised per household, so that two referrals cannot open two cases."""
    await tx.row(select(func.pg_advisory_xact_lock(func.hashtextextended(f"case:{household_id}", 0))))
    return await held_case_of(tx, household_id)


async def held_case_of(tx: Transaction, household_id: HouseholdId) -> Case | None:
    """The same for whoever holds it already, by `open_case_of` or `case_to_change`."""
    row = await tx.row(select(c).where(c.c.household_id == household_id, c.c.state != CaseState.CLOSED.value).with_for_update())
    return _case(row) if row else None


async def newest_case_of(handle: Read, household_id: UUID) -> UUID | None:
    found: UUID | None = await handle.scalar(select(c.c.case_id).where(c.c.household_id == household_id).order_by(c.c.opened_on.desc()).limit(1))
    return found


async def save_case(tx: Transaction, outcome: Outcome[Case], by: Caseworker, *, reason: str | None = None) -> None:
    """A change of state leaves a step in the history; whatever the decision said is published with it."""
    state = outcome.state
    values = asdict(state) | {
        "member_ids": list(state.member_ids),
        "topics": list(state.topics),
        "caseworker": state.caseworker.sub,
        "caseworker_name": state.caseworker.name,
        "updated_at": tx.now,
        "updated_by_name": by.name,
    }
    statement = insert(c).values(values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["case_id"], set_={k: statement.excluded[k] for k in values if k != "case_id"}))
    if outcome.events:
        step = {"case_id": state.case_id, "at": tx.now, "state": state.state.value, "reason": reason, "by_sub": by.sub, "by_name": by.name}
        await tx.execute(insert(tables.case_step).values(step))
    tx.publish(*outcome.events)


async def save_ground(tx: Transaction, state: Case) -> None:
    """The consent and the ground of what is said from now on. Nobody touched the case itself, so its page stays current."""
    await tx.execute(update(c).where(c.c.case_id == state.case_id).values(consent=state.consent.value, legal_basis=state.legal_basis.value))


async def last_change(handle: Read, case_id: UUID) -> Row[Any] | None:
    """最終更新: 誰が、いつ。"""
    return await handle.row(select(c.c.updated_at, c.c.updated_by_name).where(c.c.case_id == case_id))


async def steps(handle: Read, case_id: UUID) -> Sequence[Row[Any]]:
    """段階の移り変わり、古い順。"""
    return await handle.rows(select(tables.case_step).where(tables.case_step.c.case_id == case_id).order_by(tables.case_step.c.id))


def _referral(row: Row[Any]) -> Referral:
    values = dict(row._mapping)
    values.pop("case_id")
    name = values.pop("answered_by_name")
    return Referral(
        **values
        | {
            "member_ids": tuple(row.member_ids),
            "topics": tuple(row.topics),
            "urgency": Urgency(row.urgency),
            "consent": ConsentState(row.consent),
            "legal_basis": LegalBasis(row.legal_basis),
            "state": ReferralState(row.state),
            "answered_by": Caseworker(row.answered_by, name) if row.answered_by else None,
            "decline_reason": DeclineReason(row.decline_reason) if row.decline_reason else None,
        }
    )


def _referral_values(state: Referral) -> dict[str, Any]:
    return asdict(state) | {
        "member_ids": list(state.member_ids),
        "topics": list(state.topics),
        "answered_by": state.answered_by.sub if state.answered_by else None,
        "answered_by_name": state.answered_by.name if state.answered_by else None,
    }


async def referral_to_change(tx: Transaction, referral_id: UUID) -> Referral:
    row = await tx.row(select(r).where(r.c.referral_id == referral_id).with_for_update())
    if row is None:
        raise NotFound
    return _referral(row)


async def known_referral(tx: Transaction, referral_id: ReferralId) -> Referral | None:
    row = await tx.row(select(r).where(r.c.referral_id == referral_id).with_for_update())
    return _referral(row) if row else None


async def case_of_referral(handle: Read, referral_id: UUID) -> CaseId | None:
    found: CaseId | None = await handle.scalar(select(r.c.case_id).where(r.c.referral_id == referral_id))
    return found


async def add_referral(tx: Transaction, outcome: Outcome[Referral], *, case_id: CaseId | None = None) -> bool:
    """A referral that arrived, or that we make. False when it is known already: then nothing is said again."""
    values = _referral_values(outcome.state) | {"case_id": case_id}
    added = await tx.execute(insert(r).values(values).on_conflict_do_nothing())
    if added:
        tx.publish(*outcome.events)
    return bool(added)


async def save_referral(tx: Transaction, outcome: Outcome[Referral], *, case_id: CaseId | None = None) -> None:
    """The ground it was made under stays as it is, whatever the answer is given on: the names were asked for on it."""
    values = _referral_values(outcome.state) | ({"case_id": case_id} if case_id else {})
    values.pop("legal_basis")
    await tx.execute(update(r).where(r.c.referral_id == outcome.state.referral_id).values(values))
    tx.publish(*outcome.events)


async def waiting_of_consultation(tx: Transaction, consultation_id: ConsultationId) -> list[Referral]:
    rows = await tx.rows(select(r).where(r.c.consultation_id == consultation_id, r.c.state.in_(WAITING)).with_for_update())
    return [_referral(row) for row in rows]


async def of_consultation(handle: Read, consultation_id: ConsultationId) -> list[ReferralId]:
    return [row.referral_id for row in await handle.rows(select(r.c.referral_id).where(r.c.consultation_id == consultation_id))]


async def standing_referrals(handle: Read, household_id: HouseholdId, unit: str) -> list[Referral]:
    """この窓口あてで、返事を待つか受理したつなぎ: 氏名を持つ根拠。"""
    states = [*WAITING, ReferralState.ACCEPTED.value]
    rows = await handle.rows(select(r).where(r.c.household_id == household_id, r.c.to_unit == unit, r.c.state.in_(states)).order_by(r.c.referral_id))
    return [_referral(row) for row in rows]


async def referrals_of_case(handle: Read, case_id: UUID) -> list[Referral]:
    """このケースから出したつなぎと、このケースのもとになったつなぎ。新しい順。"""
    rows = await handle.rows(select(r).where(r.c.case_id == case_id).order_by(r.c.made_on.desc(), r.c.referral_id))
    return [_referral(row) for row in rows]


async def waiting_from_here(handle: Read, household_id: HouseholdId, unit: str) -> list[Referral]:
    """この世帯について、こちらから出して返事を待っているつなぎ。"""
    rows = await handle.rows(select(r).where(r.c.household_id == household_id, r.c.from_unit == unit, r.c.state.in_(WAITING)))
    return [_referral(row) for row in rows]
