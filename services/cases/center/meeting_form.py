"""会議を招集する様式: どの会議に、だれが、いつまで出席するか。職員はアカウントの番号で（氏名は入れない）。"""

import re
import unicodedata
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from starlette.datastructures import FormData

from services.cases.casework.forms import Typed
from services.cases.center.conference import Convening, Draft
from services.cases.center.convening import Terms
from shared.contracts.conference import Forum

_STAFF = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_BETWEEN = re.compile(r"[\s,、，]+")
#: 名指しの職員の、いちばん多い数
MOST = 30


def values(draft: Draft, today: date, terms: Terms) -> dict[str, Any]:
    """様式の初めの値: 招集してあれば、いまの出席者と期間。まだなら、気づきに関わる窓口。"""
    held = draft.convening
    return {
        "forum": draft.forum.value,
        "units": held.units if held else draft.domains,
        "named": "、".join(held.staff) if held else "",
        "convened_on": held.convened_on if held else today,
        "ends_on": held.ends_on if held else today + timedelta(days=terms.usual),
    }


def read(form: FormData, today: date, units: Collection[str]) -> Convening:
    """FormIncomplete: 直すところを欄ごとに。"""
    typed = Typed(form, today)
    forum = typed.choice("forum", Forum)
    chosen = tuple(sorted(set(typed.many("units"))))
    staff = tuple(sorted({one for one in _BETWEEN.split(unicodedata.normalize("NFKC", typed.text("named", 2000))) if one}))
    begins, ends = typed.day("convened_on") or today, typed.day("ends_on")
    if forum is None:
        typed.problems["forum"] = "会議の種類を選んでください。"
    if not set(chosen) <= set(units):
        typed.problems["units"] = "一覧にない窓口です。画面を開き直して、選び直してください。"
    if len(staff) > MOST or not all(_STAFF.fullmatch(one) for one in staff):
        typed.problems["named"] = f"職員はアカウントの番号（英数字）で、{MOST}人まで。氏名は入れないでください。"
    if ends is None:
        typed.problems.setdefault("ends_on", "終わりの日を入れてください。その日まで、出席者が見られます。")
    typed.done()
    assert forum is not None
    assert ends is not None
    return Convening(forum, chosen, staff, begins, ends)


def typed_values(form: FormData) -> dict[str, Any]:
    """打たれたまま、もう一度出す。"""
    return {name: form.get(name) or "" for name in ("forum", "named", "convened_on", "ends_on")} | {"units": form.getlist("units")}
