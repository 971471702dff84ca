"""The audit is sealed in blocks that hang together: a block's hash covers its rows and the hash of the block before.

A block takes all rows below the oldest running transaction (`place`), so a late COMMIT is in the next block and never lost between two. No
request waits for it: any process of the unit seals every few seconds. `verify` recomputes; an anchor kept elsewhere tells when the end was cut.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.exc import SQLAlchemyError

from shared.desk.wareki import JST
from shared.runtime.database import Database, Read, Transaction

log = logging.getLogger("tsunagari.audit")

#: seconds between two seals, and after which rows that wait for one are worth a look (a transaction that never ends holds them up)
EVERY, LATE = 10.0, 900.0
#: rows of one block, and rows that are read at once
BLOCK, CHUNK = 20_000, 2_000
GENESIS = bytes(32)
_LOCK = 0x5EA1  # one seals at a time
#: what a hash covers, in this order; a later column gets a new list and a seal that says which
FIELDS = (
    "id", "place", "at", "recorded_at", "actor", "roles", "action", "object_kind", "object_id", "household_id", "households", "purpose",
    "legal_basis", "returned", "decision", "sid", "terminal", "trace_id",
)  # fmt: skip
_ROWS = text(f"select {', '.join(FIELDS)} from audit where (place, id) > (:place, :id) order by place, id limit :most")  # noqa: S608
_LAST = text("select n, to_place, hash from audit_seal order by n desc limit 1")
_HORIZON = text("select audit_horizon()")
_SEALS = text("select n, from_place, to_place, rows, hash, prev_hash, sealed_at from audit_seal where n > :n order by n limit :most")
_SEAL = text("insert into audit_seal (n, from_place, to_place, rows, hash, prev_hash) values (:n, :from_place, :to_place, :rows, :hash, :prev_hash)")
#: the place at which a block that would be too long ends instead
_CUT = text("select place from audit where place >= :first and place < :end order by place offset :most limit 1")
_NEXT = text("select min(place) from audit where place > :place and place < :end")
_WAITING = text("select count(*) as rows, min(recorded_at) as since from audit where place >= :end")


@dataclass(frozen=True, slots=True)
class Seal:
    n: int
    from_place: int
    to_place: int
    rows: int
    hash: bytes
    prev_hash: bytes


class Broken(StrEnum):
    SEAL_MISSING = "seal_missing"
    CHAIN = "chain"
    ROWS_MISSING = "rows_missing"
    ROWS_ADDED = "rows_added"
    ROWS_CHANGED = "rows_changed"
    TAIL_CUT = "tail_cut"
    NOT_AS_ANCHORED = "not_as_anchored"

    @property
    def label(self) -> str:
        return _LABELS[self.value]


_LABELS = {
    "seal_missing": "封が抜けている",
    "chain": "封のつながりが切れている",
    "rows_missing": "行が消えている",
    "rows_added": "行が足されている",
    "rows_changed": "行が書きかえられている",
    "tail_cut": "錨のところまで封がない（終わりが切られた）",
    "not_as_anchored": "錨と違う（封が作り直された）",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken` names the first block that does not hold, and how. `waiting`: rows that no block covers yet."""

    blocks: int
    rows: int
    head: str
    broken: Broken | None = None
    block: int | None = None
    waiting: int = 0
    waiting_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of a chain as it was said on a day, kept where the unit cannot reach."""

    n: int
    hash: str


def line(row: RowMapping) -> bytes:
    return (json.dumps([_plain(row[name]) for name in FIELDS], ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _plain(value: Any) -> Any:
    match value:
        case None | str() | int():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case list():
            return [_plain(one) for one in value]
    return str(value)


class Reader:
    """Reads the audit once, in the order of its places, and hashes it block by block."""

    def __init__(self, handle: Read, first: int = 0) -> None:
        self._rows = _rows(handle, first)
        self._next: Row[Any] | None = None

    async def digest(self, from_place: int, to_place: int, prev_hash: bytes) -> tuple[int, bytes]:
        """(rows, hash) of what is there now between the end of the block before and `to_place`."""
        covered, rows = hashlib.sha256(prev_hash + f"{from_place} {to_place}\n".encode()), 0
        while (row := self._next or await anext(self._rows, None)) is not None:
            self._next = row
            if row.place >= to_place:
                break
            covered.update(line(row._mapping))
            rows, self._next = rows + 1, None
        return rows, covered.digest()


async def _rows(handle: Read, first: int) -> AsyncIterator[Row[Any]]:
    after = {"place": first, "id": -1}
    while found := await handle.rows(_ROWS, {"most": CHUNK, **after}):
        for row in found:
            yield row
        after = {"place": found[-1].place, "id": found[-1].id}


async def _seals(handle: Read) -> AsyncIterator[Row[Any]]:
    n = 0
    while found := await handle.rows(_SEALS, {"n": n, "most": CHUNK}):
        for row in found:
            yield row
        n = found[-1].n


async def seal(tx: Transaction) -> Seal | None:
    """Seals what is finished and not sealed yet, at most one block. None when there is nothing, or somebody else is at it."""
    if not await tx.scalar(text("select pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}):
        return None
    last, horizon = await tx.row(_LAST), int(await tx.scalar(_HORIZON))
    n, first, prev = (last.n, last.to_place, last.hash) if last else (0, 0, GENESIS)
    end = await _end(tx, first, horizon)
    if end is None:
        return None
    rows, found = await Reader(tx, first).digest(first, end, prev)
    if not rows:
        return None
    made = Seal(n + 1, first, end, rows, found, prev)
    await tx.execute(_SEAL, {name: getattr(made, name) for name in Seal.__slots__})
    return made


async def _end(tx: Transaction, first: int, horizon: int) -> int | None:
    """Where the next block ends: at the horizon, or sooner when it would be too long. All rows of one transaction stay together."""
    if horizon <= first:
        return None
    cut = await tx.scalar(_CUT, {"first": first, "end": horizon, "most": BLOCK})
    if cut is None:
        return horizon
    return int(cut) if cut > first else int(await tx.scalar(_NEXT, {"place": cut, "end": horizon}) or horizon)


async def verify(handle: Read, anchors: tuple[Anchor, ...] = ()) -> Verdict:
    """Recomputes every block. Stops at the first that does not hold: what comes after hangs on it."""
    blocks, rows, end, hash, said = 0, 0, 0, GENESIS, {anchor.n: anchor.hash for anchor in anchors}
    reader = Reader(handle)
    async for one in _seals(handle):
        broken, count = await _broken(reader, one, Seal(blocks, 0, end, 0, hash, b""))
        if broken is None and said.get(one.n, one.hash.hex()) != one.hash.hex():
            broken = Broken.NOT_AS_ANCHORED
        if broken:
            return Verdict(blocks, rows, hash.hex(), broken, blocks + 1)
        blocks, rows, end, hash = one.n, rows + count, one.to_place, one.hash
    if said and max(said) > blocks:
        return Verdict(blocks, rows, hash.hex(), Broken.TAIL_CUT, blocks + 1)
    waiting = await handle.row(_WAITING, {"end": end})
    assert waiting is not None
    return Verdict(blocks, rows, hash.hex(), waiting=waiting.rows, waiting_since=waiting.since)


async def _broken(reader: Reader, one: Row[Any], before: Seal) -> tuple[Broken | None, int]:
    if one.n != before.n + 1:
        return Broken.SEAL_MISSING, 0
    if one.prev_hash != before.hash or one.from_place != before.to_place:
        return Broken.CHAIN, 0
    rows, found = await reader.digest(one.from_place, one.to_place, one.prev_hash)
    if rows != one.rows:
        return (Broken.ROWS_MISSING if rows < one.rows else Broken.ROWS_ADDED), rows
    return (None if found == one.hash else Broken.ROWS_CHANGED), rows


async def head(handle: Read) -> Anchor:
    last = await handle.row(_LAST)
    return Anchor(last.n, last.hash.hex()) if last else Anchor(0, GENESIS.hex())


async def keep_sealing(database: Database, anchors: Path | None) -> None:
    """Runs beside the web part and the worker of every process, until it is cancelled."""
    while True:
        await asyncio.sleep(EVERY)
        try:
            async with database.transaction() as tx:
                await seal(tx)
            if anchors:
                async with database.read() as rd:
                    await asyncio.to_thread(drop_anchor, anchors, database.unit, await head(rd), rd.now)
        except (SQLAlchemyError, OSError) as error:
            log.warning("audit_not_sealed unit=%s error=%s", database.unit, type(error).__name__)


def drop_anchor(folder: Path, unit: str, found: Anchor, now: datetime) -> None:
    """One line a day and unit, never written over: `folder/2026-11-26/intake`."""
    path = folder / f"{now.astimezone(JST):%Y-%m-%d}" / unit
    if found.n == 0 or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{found.n} {found.hash}\n", encoding="ascii")


def anchors_in(folder: Path, unit: str) -> tuple[Anchor, ...]:
    """All that were dropped, whatever the day. Raises ValueError for a file that is no anchor."""
    found = (path.read_text(encoding="ascii").split() for path in sorted(folder.glob(f"*/{unit}")))
    return tuple(Anchor(int(n), hash) for n, hash in found)
