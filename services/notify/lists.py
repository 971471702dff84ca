"""Reading for the screens: the inbox with its filters, the counts of today, the changes since a number. Only what is open to the reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, Row, and_, func, select, text

from services.notify import store
from services.notify.grounds import Eyes
from services.notify.household import HouseholdFacts
from services.notify.notice import seen
from services.notify.sight import eyes, in_inbox, is_theirs
from services.notify.store import AlertNotFound, read_alert, read_facts
from services.notify.tables import alert as a
from services.notify.tables import household as h
from services.notify.tables import inbox_change as c
from services.notify.views import Known
from shared.runtime.database import Read

PAGE = 50


class Filter(BaseModel):
    """一覧の絞り込み。そのまま URL になる（氏名は入らない）。"""

    model_config = ConfigDict(frozen=True)

    closed: bool = False
    severity: Annotated[str, StringConstraints(max_length=4)] = ""
    area: Annotated[str, StringConstraints(max_length=20)] = ""
    page: Annotated[int, Field(ge=1, le=1000)] = 1

    def where(self) -> list[ColumnElement[bool]]:
        given: list[ColumnElement[bool]] = [a.c.is_open.is_(not self.closed)]
        if self.severity:
            given.append(a.c.severity == self.severity)
        if self.area:
            given.append(h.c.area == self.area)
        return given

    def query(self, **changed: object) -> str:
        values = {"closed": "1" if self.closed else "", "severity": self.severity, "area": self.area} | changed
        return "&".join(f"{name}={value}" for name, value in values.items() if value not in ("", None))


@dataclass(frozen=True)
class Change:
    number: int
    announce: bool
    known: Known


_FROM = a.outerjoin(h, h.c.household_id == a.c.household_id)
_KNOWN = (a.c.body, h.c.facts, a.c.household_id)
_LAST_GIVEN = text("select coalesce(max(number), 0) from inbox_change")
_WAITING = text("select exists (select 1 from inbox_change where number is null)")
_LOCK = text("select pg_advisory_xact_lock(hashtext('notify.inbox_number'))")
_NUMBER = text("update inbox_change set number = nextval('inbox_number') where number is null")


async def inbox(rd: Read, wanted: Filter) -> list[Known]:
    """重い順、期限の近い順。閉じたものは新しい順。"""
    order = [a.c.closed_at.desc()] if wanted.closed else [a.c.severity, a.c.due, a.c.id]
    query = select(*_KNOWN).select_from(_FROM).where(and_(*wanted.where(), in_inbox(rd))).order_by(*order)
    return _shown(await rd.rows(query.limit(PAGE).offset(PAGE * (wanted.page - 1))), eyes(rd))


async def count(rd: Read, wanted: Filter) -> int:
    found: int = await rd.scalar(select(func.count()).select_from(_FROM).where(and_(*wanted.where(), in_inbox(rd))))
    return found


async def counts(rd: Read) -> dict[tuple[str, str], int]:
    """開いている気づきの数、(重さ, 状態) ごと。"""
    query = select(a.c.severity, a.c.state, func.count().label("n")).select_from(_FROM).where(a.c.is_open, in_inbox(rd))
    return {(row.severity, row.state): row.n for row in await rd.rows(query.group_by(a.c.severity, a.c.state))}


async def one(rd: Read, alert_id: UUID) -> Known:
    """読む人の受信箱に入らない気づきは、ない気づきと同じ。"""
    row = await rd.row(select(*_KNOWN).select_from(_FROM).where(a.c.id == alert_id))
    known = shown(_known(row), eyes(rd)) if row else None
    if known is None or not is_theirs(rd, known.alert.to):
        raise AlertNotFound
    return known


async def of_household(rd: Read, household_id: UUID) -> list[Known]:
    """その世帯の、ルールごとの最後の気づき。"""
    household = await store.known(rd, household_id)
    latest = (await store.latest_alerts(rd, household_id)).values()
    return [known for alert in latest if (known := shown(Known(alert, household), eyes(rd)))]


async def last_raised(rd: Read) -> datetime | None:
    moment: datetime | None = await rd.scalar(select(func.max(a.c.raised_at)).select_from(_FROM).where(in_inbox(rd)))
    return moment


async def last_number(rd: Read) -> int:
    """Of the changes this reader may see: a number that moves by itself would tell that something happened to a hidden household."""
    changed = c.join(a, a.c.id == c.c.alert_id).outerjoin(h, h.c.household_id == a.c.household_id)
    query = select(c.c.number).select_from(changed).where(c.c.number.is_not(None), in_inbox(rd)).order_by(c.c.number.desc()).limit(1)
    number: int | None = await rd.scalar(query)
    return number or 0


async def changes_after(rd: Read, number: int, limit: int = 20) -> list[Change]:
    """`number` より後の変化、番号順。同じ気づきは最後の姿で現れる。だれに見せるかは、まだ見ていない（`shown`）。"""
    query = (
        select(c.c.number, c.c.announce, a.c.body, h.c.facts, a.c.household_id)
        .select_from(c.join(a, a.c.id == c.c.alert_id).outerjoin(h, h.c.household_id == a.c.household_id))
        .where(c.c.number > number)
        .order_by(c.c.number)
        .limit(limit)
    )
    return [Change(row.number, row.announce, _known(row)) for row in await rd.rows(query)]


async def number_changes(tx: Read) -> int:
    """確定した変化に通し番号を振る。

    番号を書き込みのときに振ると、先に番号を取った取引が後から確定したとき、その番号を追い越した画面は見落とす。
    ここは確定した行だけを、一つの鍵の下で、続けて確定しながら振るので、番号の順に見える。振った最後の番号を返す（人に見せる番号ではない）。
    """
    if await tx.scalar(_WAITING):
        await tx.scalar(_LOCK)
        await tx.connection.execute(_NUMBER)
    number: int = await tx.scalar(_LAST_GIVEN)
    return number


def shown(known: Known, reader: Eyes) -> Known | None:
    """この読み手に見える姿。見えない気づきは None。"""
    alert = seen(known.household, known.alert, reader)
    return Known(alert, known.household.seen_by(reader)) if alert else None


def _shown(rows: Sequence[Row[Any]], reader: Eyes) -> list[Known]:
    return [known for row in rows if (known := shown(_known(row), reader))]


def _known(row: Row[Any]) -> Known:
    return Known(read_alert(row.body), read_facts(row.facts) if row.facts else HouseholdFacts(row.household_id))
