"""閲覧の記録をたずねる様式: 世帯の番号・受付番号・職員番号・期間と、たずねる目的。"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from starlette.datastructures import FormData

from services.cases.casework.forms import Typed
from shared.contracts.seen import Why
from shared.desk.wareki import JST

#: 日。はじめに開いたときの期間 (domain.md T-22) と、いちばん長い期間（既定の保存年限、§1.8）
USUAL, LONGEST = 90, 366 * 5
FIELDS = ("about", "actor", "first", "last", "why")
_RECEIPT = re.compile(r"[RH]\d{1,2}-\d{4,8}")
_ACTOR = re.compile(r"[A-Za-z0-9_.@:+-]{1,80}")


@dataclass(frozen=True)
class Question:
    """`ident` は世帯または世帯員の番号。期間は両端の日を含む。"""

    ident: UUID | None
    receipt_no: str | None
    actor: str | None
    first: date
    last: date
    why: Why

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time(), JST)

    @property
    def until(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), JST)


def blank(today: date) -> dict[str, str]:
    return {"about": "", "actor": "", "first": f"-{USUAL}", "last": "今日", "why": ""}


def read(form: FormData, today: date) -> Question:
    """FormIncomplete: 直すところを欄ごとに。"""
    typed = Typed(form, today)
    ident, receipt_no = _about(typed)
    actor = unicodedata.normalize("NFKC", typed.text("actor", 80)) or None
    if actor and not _ACTOR.fullmatch(actor):
        typed.problems["actor"] = "職員番号は英数字で入れてください。氏名ではさがせません。"
    first, last = typed.day("first") or today - timedelta(days=USUAL), typed.day("last") or today
    if first > last or (last - first).days > LONGEST:
        typed.problems.setdefault("first", "期間は、始めの日から終わりの日までの5年以内にしてください。")
    why = typed.text("why", 32)
    if why not in set(Why):
        typed.problems["why"] = "なぜ調べるかを選んでください。調べたことも記録に残ります。"
    typed.done()
    return Question(ident, receipt_no, actor, first, last, Why(why))


def _about(typed: Typed) -> tuple[UUID | None, str | None]:
    text = unicodedata.normalize("NFKC", typed.text("about", 80)).replace(" ", "")
    if not text:
        return None, None
    if _RECEIPT.fullmatch(text.upper()):
        return None, text.upper()
    try:
        return UUID(text), None
    except ValueError:
        typed.problems["about"] = "世帯の番号か、受付番号（R8-0001 の形）を入れてください。氏名ではさがせません。"
        return None, None
