"""アカウントの表: サインインのたびに書き、管理者が点検し、使っている最中の人を終わらせる。"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from fastapi import Request
from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.intake.account import Account, Home, home_kept_from
from services.intake.tables import account
from shared.runtime import audit
from shared.runtime.auth import staff_of
from shared.runtime.database import Database, Read, Transaction
from shared.runtime.problems import NotFound
from shared.runtime.sessions import end_sessions
from shared.runtime.ticket import ABSOLUTE, Ticket


class AccountUnknown(NotFound):
    sentence = "この職員はサインインしたことがありません。一覧から選んでください。"


async def seen(request: Request, ticket: Ticket) -> None:
    """サインインを残す（記録できなければ、サインインさせない）。"""
    database: Database = request.app.state.db
    async with database.transaction() as tx:
        await keep(tx, ticket)
        await audit.record(tx, staff_of(ticket), "sign_in", "session", ticket.sid)


async def keep(tx: Transaction, ticket: Ticket) -> None:
    about = {
        "name": ticket.name, "team": ticket.team, "roles": list(ticket.roles), "domains": list(ticket.domains), "valid_to": ticket.valid_to,
        "last_signed_in_at": tx.now,
    }  # fmt: skip
    new = insert(account).values(sub=ticket.sub, first_signed_in_at=tx.now, **about)
    await tx.execute(new.on_conflict_do_update(index_elements=["sub"], set_=about))


async def everyone(handle: Read) -> list[Account]:
    """期限のないもの、期限の早いものから。"""
    rows = await handle.rows(select(account).order_by(account.c.valid_to.nulls_first(), account.c.sub))
    return [_account(row) for row in rows]


def _account(row: Row[Any]) -> Account:
    home = Home(row.home_town, row.home_block)
    return Account(row.sub, row.name, row.team, tuple(row.roles), tuple(row.domains), row.valid_to, row.last_signed_in_at, home)


async def live_at(tx: Transaction, sub: str, home: Home) -> None:
    """自宅の町と番地を入れる、直す、消す。Raises AccountUnknown."""
    change = update(account).where(account.c.sub == sub)
    if not await tx.execute(change.values(home_town=home.town, home_block=home.block)):
        raise AccountUnknown


async def forget_homes(tx: Transaction, today: date) -> None:
    """利用期限の過ぎた人の自宅を消す（毎晩）。"""
    over = or_(account.c.home_town != "", account.c.home_block != "") & (account.c.valid_to < home_kept_from(today))
    await tx.execute(update(account).where(over).values(home_town="", home_block=""))


async def end(tx: Transaction, sub: str) -> None:
    """この職員の利用を終わらせる。Raises AccountUnknown."""
    if not await tx.scalar(select(func.count()).select_from(account).where(account.c.sub == sub)):
        raise AccountUnknown
    await end_sessions(tx, sub)


async def end_all(tx: Transaction) -> Sequence[str]:
    """使っているかもしれない全員（自分も）。一度のサインインは 10 時間までなので、それより前の人には終わらせるものがない。"""
    recent = account.c.last_signed_in_at > tx.now - timedelta(seconds=ABSOLUTE)
    subs = [row.sub for row in await tx.rows(select(account.c.sub).where(recent).order_by(account.c.sub))]
    for sub in subs:
        await end_sessions(tx, sub)
    return subs
