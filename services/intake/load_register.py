"""名簿を読み込む: `python -m services.intake.load_register FILE`（JSON Lines、一行一世帯。環境変数 DATABASE_URL）。

一束ずつ一つの取引で書く。途中で止まっても、同じ名簿をもう一度読めば続きから入る。
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from services.intake import following, household_store, register_import
from services.intake.consultation import StaffRef
from services.intake.receipt_number import local_day
from services.intake.register_import import RegisteredHousehold
from shared.runtime.database import Database
from shared.runtime.settings import Settings

BATCH = 500
#: whoever reads the register in, where a person stands elsewhere
REGISTER = StaffRef("load_register", "名簿の読み込み")


@dataclass(frozen=True)
class Loaded:
    households: int = 0
    members: int = 0
    skipped: int = 0

    def plus(self, households: int, members: int, skipped: int) -> "Loaded":
        return Loaded(self.households + households, self.members + members, self.skipped + skipped)


async def load(
    database: Database, households: Iterable[RegisteredHousehold], *, now: datetime | None = None, progress: Callable[[Loaded], None] | None = None
) -> Loaded:
    """世帯をまとめて登録し、HouseholdRegistered / MemberJoined を知らせる。`now` は、過去の登録として入れるとき。"""
    done = Loaded()
    for batch in register_import.batches(households, BATCH):
        async with database.transaction(now) as tx:
            known = await household_store.registered_numbers(tx, [given.register_no for given in batch])
            outcome = register_import.import_batch(batch, known=known, today=local_day(tx.now), new_id=uuid4)
            if outcome.state:
                await household_store.register(tx, outcome.state)
            hidden = {home.id for home in outcome.state if await following.protect(tx, home, home.members, REGISTER, local_day(tx.now))}
            for event in outcome.events:
                tx.publish(*(following.without_place([event]) if event.household_id in hidden else [event]))
        members = sum(len(household.members) for household in outcome.state)
        done = done.plus(len(outcome.state), members, len(batch) - len(outcome.state))
        if progress:
            progress(done)
    return done


def read_file(path: Path) -> Iterator[RegisteredHousehold]:
    """一行ずつ読む。読めない行は、行番号だけを言って止める（中身は氏名なので出さない）。"""
    line_type = TypeAdapter(RegisteredHousehold)
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield line_type.validate_json(line)
            except ValidationError as error:
                where = ", ".join(".".join(str(part) for part in item["loc"]) for item in error.errors(include_input=False))
                raise SystemExit(f"{path}: {number} 行目を読めません（{where}）") from None


def _say(done: Loaded) -> None:
    print(f"\r登録 {done.households} 世帯 {done.members} 人、登録済み {done.skipped} 世帯", end="", flush=True)  # noqa: T201


async def _main(path: Path) -> None:
    database = Database(Settings().database_url.get_secret_value(), "intake")
    try:
        await load(database, read_file(path), progress=_say)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
