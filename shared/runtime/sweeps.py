"""一日に一度の見回り: 期間の過ぎたものを消す。One durable timer per unit; a night that was missed is made up for at the next start."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from fastapi import FastAPI
from sqlalchemy import text

from shared.runtime.database import Transaction
from shared.runtime.erasure import JST, day_of

if TYPE_CHECKING:
    from shared.messaging import Handlers, Timer

KIND, KEY = "retention_day", "all"
#: 日付が変わったあと（期間は日で数えるので、時刻は記録の扱いに関わらない）
AT = time(0, 20)
_STANDS = text("select exists (select from timer where kind = :kind and key = :key)")

#: 消してよいものを一束だけ消す。True: まだ残っている
Sweep = Callable[[Transaction, date], Awaitable[bool]]


def sweep_daily(handlers: "Handlers", sweep: Sweep) -> None:
    @handlers.timer(KIND)
    async def retention_day(tx: Transaction, due: "Timer") -> None:
        """一束ずつ、それぞれの取引で。"""
        more = await sweep(tx, day_of(tx.now))
        tx.schedule(KIND, KEY, tx.now if more else next_night(tx.now))


def next_night(now: datetime) -> datetime:
    return datetime.combine(day_of(now) + timedelta(days=1), AT, JST)


async def begin_sweeps(app: FastAPI) -> None:
    """はじめて動くとき、最初の見回りを置く。もう置いてあれば動かさない。"""
    async with app.state.db.transaction() as tx:
        if not await tx.scalar(_STANDS, {"kind": KIND, "key": KEY}):
            tx.schedule(KIND, KEY, next_night(tx.now))
