"""Who does it and why: every change is an audit row in the unit's own database, in the transaction of the change."""

import getpass
import os
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from shared.messaging.commands.say import Refused
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Read


class Reason(StrEnum):
    """A code, because free text in an audit row could hold a name."""

    HANDLER_REPAIRED = "handler_repaired"
    SOURCE_REPAIRED = "source_repaired"
    BAD_INPUT = "bad_input"
    DUPLICATE_ELSEWHERE = "duplicate_elsewhere"
    STREAM_LOST = "stream_lost"
    BACKUP_RESTORED = "backup_restored"
    PROJECTION_DOUBTED = "projection_doubted"
    CONFIGURATION = "configuration"
    INVESTIGATION = "investigation"
    DRILL = "drill"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Reason.HANDLER_REPAIRED: "処理を直した",
    Reason.SOURCE_REPAIRED: "送り手を直した",
    Reason.BAD_INPUT: "入力の誤り",
    Reason.DUPLICATE_ELSEWHERE: "別に記録済み",
    Reason.STREAM_LOST: "配信記録が欠けた",
    Reason.BACKUP_RESTORED: "バックアップから戻した",
    Reason.PROJECTION_DOUBTED: "写しが疑わしい",
    Reason.CONFIGURATION: "構成の変更",
    Reason.INVESTIGATION: "調査",
    Reason.DRILL: "訓練",
}

Why = Annotated[Reason | None, typer.Option("--reason", help="理由コード / reason code", case_sensitive=False)]
Who = Annotated[str | None, typer.Option("--operator", help="職員番号など（既定は OS の利用者）/ your id; default: the OS user")]
_ID = re.compile(r"[A-Za-z0-9_.@+-]{1,64}")


class Acting:
    """An operator with a reason. Refused without one: afterwards nobody remembers."""

    def __init__(self, why: Reason | None, who: str | None) -> None:
        if why is None:
            codes = "、".join(f"{reason.value}（{reason.label}）" for reason in Reason)
            raise Refused(f"--reason で理由を選んでください: {codes}", f"Choose a --reason: {', '.join(Reason)}")
        self.reason = why
        self.id = who or os.environ.get("SUDO_USER") or getpass.getuser()
        if not _ID.fullmatch(self.id):
            raise Refused("--operator は英数字の ID で書いてください。名前は書けません。", "--operator is an id of letters and digits, not a name.")

    async def record(self, handle: Read, action: str, kind: str, what: object, *, households: Iterable[UUID | None] = (None,)) -> None:
        """One audit row per household. `purpose` holds the reason's code."""
        staff = Staff(f"operator:{self.id}", "", frozenset({"operator"}))
        for household in households:
            await audit.record(handle, staff, action, kind, what, household_id=household, purpose=self.reason.value)
