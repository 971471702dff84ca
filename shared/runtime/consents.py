"""一人の同意は、いちばん新しい言葉: every desk keeps it in a table of its own, one row per person, and forgets it when it ends or was a mistake."""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, case, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.consent_said import Change, Consents, Said
from shared.contracts.consent_uses import Use, wanted
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, MemberId
from shared.desk.wareki import japan_day
from shared.runtime.database import Read, Transaction

#: 同意を限るもの。つなぎに添えられた言葉では変わらない。どれを持つかは、表が決める
_LIMITS = ("until", "recipients", "purposes")
_TAKEN_BACK = {"state": ConsentState.NOT_ASKED.value, "until": None}


class NewestWords:
    """`table` of the desk: household_id, member_id (its key), state, as_of, said_at, source_id, until, purposes, and recipients if it needs them.
    `use` は、その窓口が同意を使うところ。"""

    def __init__(self, table: Table, use: Use) -> None:
        self.table, self.use = table, use
        self._limits = [name for name in _LIMITS if name in table.c]

    async def of_household(self, handle: Read, household_id: HouseholdId, use: Use | None = None) -> Consents:
        """`use` に効く同意。ほかの目的の同意は「まだ」。"""
        rows = await handle.rows(select(self.table).where(self.table.c.household_id == household_id))
        return {row.member_id: self._state(row, use or self.use, japan_day(handle.now)) for row in rows}

    async def for_other_purposes(self, handle: Read, household_id: HouseholdId, use: Use | None = None) -> set[MemberId]:
        """同意はあるが、目的に `use` が入っていない人。"""
        t, on = self.table, japan_day(handle.now)
        given = await handle.rows(select(t).where(t.c.household_id == household_id, t.c.state == ConsentState.GIVEN.value))
        return {MemberId(row.member_id) for row in given if self._state(row, use or self.use, on) is not ConsentState.GIVEN}

    async def who_said_no(self, handle: Read, household_id: HouseholdId) -> frozenset[MemberId]:
        t = self.table
        rows = await handle.rows(select(t.c.member_id).where(t.c.household_id == household_id, t.c.state == ConsentState.REFUSED.value))
        return frozenset(row.member_id for row in rows)

    async def is_said(self, handle: Read, source_id: UUID) -> bool:
        """この番号の言葉が、いまの言葉か。"""
        return await handle.scalar(select(self.table.c.source_id).where(self.table.c.source_id == source_id).limit(1)) is not None

    async def say(self, tx: Transaction, said: Said) -> Change:
        """The newest word counts, whichever way it came. NOTHING when it is known already or a newer one is."""
        t = self.table
        whose = (t.c.household_id == said.household_id, t.c.member_id == said.member_id)
        before = await tx.row(select(t).where(*whose).with_for_update())
        if not await tx.execute(self._upsert(said)):
            return Change.NOTHING
        now = await tx.row(select(t).where(*whose))
        return Change.LOST if self._counts(tx, before) and not self._counts(tx, now) else Change.CHANGED

    def _upsert(self, said: Said) -> Any:
        t = self.table
        values: dict[str, Any] = {"state": said.state.value, "as_of": said.as_of, "said_at": said.said_at, "source_id": said.source_id}
        values |= {name: _listed(getattr(said, name)) for name in self._limits}
        statement = insert(t).values(household_id=said.household_id, member_id=said.member_id, **values)
        heard = statement.excluded
        other = t.c.source_id != heard.source_id
        if said.recipients is not None:  # the owner says the same consent once more, because its limits changed; what ended does not begin by that
            limits = or_(*(t.c[name].is_distinct_from(heard[name]) for name in self._limits))
            other |= limits & (t.c.state == ConsentState.GIVEN.value)
        if said.state is ConsentState.GIVEN and said.beside:
            values |= {name: case((t.c.state == ConsentState.GIVEN.value, t.c[name]), else_=None) for name in self._limits}
        newer = tuple_(t.c.as_of, t.c.said_at) <= tuple_(heard.as_of, heard.said_at)
        return statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=values, where=newer & other)

    async def take_back(self, tx: Transaction, *source_ids: UUID) -> Change:
        """The word was a mistake: what was before does not come back, the person has to be asked."""
        t = self.table
        mistaken = t.c.source_id.in_(source_ids) & (t.c.state != ConsentState.NOT_ASKED.value)
        before = [row.state for row in await tx.rows(select(t.c.state).where(mistaken).with_for_update())]
        if not await tx.execute(update(t).where(mistaken).values(_TAKEN_BACK)):
            return Change.NOTHING
        return Change.LOST if ConsentState.GIVEN in before else Change.CHANGED

    async def ended(self, tx: Transaction, household_id: HouseholdId, on: date) -> list[MemberId]:
        """期間の過ぎた同意は「まだ」に戻る。だれのものだったか。"""
        t = self.table
        over = (t.c.household_id == household_id, t.c.state == ConsentState.GIVEN.value, t.c.until < on)
        return [MemberId(row.member_id) for row in await tx.rows(update(t).where(*over).values(_TAKEN_BACK).returning(t.c.member_id))]

    def _counts(self, tx: Transaction, row: Row[Any] | None) -> bool:
        """この窓口に効くか。目的が変わって効かなくなれば、なくなったのと同じ。"""
        return row is not None and self._state(row, self.use, japan_day(tx.now)) is ConsentState.GIVEN

    @staticmethod
    def _state(row: Row[Any], use: Use, on: date) -> ConsentState:
        state = ConsentState(row.state)
        return ConsentState.NOT_ASKED if state is ConsentState.GIVEN and not wanted(use, on).met_by(row.purposes) else state


def _listed(limit: date | Collection[str] | None) -> date | list[str] | None:
    return limit if limit is None or isinstance(limit, date) else list(limit)
