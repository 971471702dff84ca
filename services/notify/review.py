"""毎日の見直し: 時がたつだけで当てはまる気づき（12か月仕事がない、75歳になった、四半期が変わった）を、便りを待たずに見つける。

One durable timer walks all households in batches. A batch only reads and decides; a household with something to say, or one that cannot be
read, gets a timer of its own (`judge`), so that it holds up nobody but itself.
"""

from datetime import datetime, timedelta
from uuid import uuid4

from fastapi import FastAPI

from services.notify import store
from services.notify.deadlines import day_of
from services.notify.notice import notice
from services.notify.parameters import Parameters, parameters_on
from services.notify.store import Looked
from shared.runtime import telemetry
from shared.runtime.database import Database, Transaction

KIND = "review_day"
KEY = "all"
SOON = timedelta(minutes=5)


def speaks(one: Looked, now: datetime, parameters: Parameters, *, late: bool = False) -> bool:
    """判定すれば何か変わるか（`late` のときは、見守りの時計を置くことも）。読めない世帯も、自分の取引でつまずかせるために数える。"""
    try:
        facts, latest = one.read()
        return bool(notice(facts, latest, now, parameters, new_id=uuid4, late=late)) or (late and bool(facts.watches))
    except Exception as error:
        telemetry.log.warning("household_not_judged", kind=type(error).__name__)
        return True


async def next_look(tx: Transaction, parameters: Parameters) -> datetime:
    """あすの見直し。根拠を残す前の知識があるあいだは、すぐまた見る: 投影は、動いている間に作り直される。"""
    return tx.now + SOON if await store.lacks_grounds(tx) else parameters.next_review(tx.now)


async def begin(db: Database, now: datetime, parameters: Parameters) -> None:
    """はじめて動くとき、最初の見直しを置く。もう置いてあれば動かさない（止まっていた日の見直しは、動き出したらすぐ）。

    根拠のまだ分からない気づきがあれば、すぐ見直す: 投影を作り直したあとなら、根拠が添えられて、また見えるようになる。
    """
    async with db.transaction(now) as tx:
        if await store.waits_for_grounds(tx):
            tx.schedule(KIND, KEY, now)
        elif not await store.has_timer(tx, KIND, KEY):
            tx.schedule(KIND, KEY, parameters.next_review(now))


async def begin_reviews(app: FastAPI) -> None:
    async with app.state.db.read() as rd:
        now = rd.now
    await begin(app.state.db, now, parameters_on(day_of(now), app.state.settings.city_parameters))
