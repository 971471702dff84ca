"""下書き: 打つのを止めて二秒でサーバに残り、開き直すと戻る。受付として保存されたら消える。本人だけが見る。"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from services.intake import store
from services.intake.tables import draft
from services.intake.typed import Typed
from shared.runtime.database import Read, Transaction


@dataclass(frozen=True, slots=True)
class Draft:
    form_key: UUID
    typed: Typed
    saved_at: datetime

    @property
    def title(self) -> str:
        return self.typed.one("name").strip() or self.typed.one("kana").strip() or "氏名なし"


async def keep(tx: Transaction, owner: str, form_key: UUID, typed: Typed, *, form_hash: str, days: int) -> bool:
    """下書きを残す。受付になったとおりの様式（遅れて届いた下書き）と、ほかの人の下書きには触れない。

    受付になったあとに書き足されたものは残す: 応答が届かず、保存されたと知らないまま打ち続けていることがある。
    """
    await store.hold_form(tx, form_key)
    saved = await store.by_form_key(tx, form_key)
    if saved and saved.form_hash == form_hash:
        return False
    content = {name: values for name, values in typed.fields.items()}
    new = insert(draft).values(form_key=form_key, owner=owner, content=content, started_at=tx.now, saved_at=tx.now)
    newer = new.on_conflict_do_update(
        index_elements=["form_key"], set_={"content": new.excluded.content, "saved_at": new.excluded.saved_at}, where=draft.c.owner == owner
    )
    if not await tx.execute(newer):
        return False
    tx.schedule("draft", str(form_key), tx.now + timedelta(days=days))
    return True


async def mine(handle: Read, owner: str, kinds: tuple[str, ...]) -> list[Draft]:
    rows = await handle.rows(select(draft).where(draft.c.owner == owner).order_by(draft.c.saved_at.desc()).limit(20))
    return [_draft(row, kinds) for row in rows]


async def discard(tx: Transaction, owner: str, form_key: UUID) -> None:
    await tx.execute(delete(draft).where(draft.c.form_key == form_key, draft.c.owner == owner))
    tx.cancel("draft", str(form_key))


async def expire(tx: Transaction, form_key: UUID) -> None:
    await tx.execute(delete(draft).where(draft.c.form_key == form_key))


def _draft(row: Row[Any], kinds: tuple[str, ...]) -> Draft:
    return Draft(row.form_key, Typed(row.content, kinds), row.saved_at)
