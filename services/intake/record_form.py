"""受付の訂正・取消・つなぎの様式を読む。"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

from services.intake import writing
from services.intake.consultation import ConsultationIncomplete, Content, WithdrawReason
from services.intake.sheet_form import CHOOSE_AGAIN
from services.intake.typed import storable
from services.intake.writing import Unwritable
from shared.contracts.codes import code_list
from shared.contracts.consultation import ConsentState, Urgency

REASON_NEEDED = "取り消す理由を選んでください。"
TARGET_NEEDED = "つなぎ先を選んでください。"


@dataclass(frozen=True)
class TypedContent:
    """打たれたまま。"""

    text: str
    topics: tuple[str, ...]
    main_topic: str
    urgency: str
    consent: str
    supports: tuple[str, ...]
    version: int = 0


def typed_from(content: Content) -> TypedContent:
    return TypedContent(content.text, content.topics, content.main_topic or "", content.urgency, content.consent, content.supports)


async def _typed(request: Request) -> TypedContent:
    form = await request.form(max_files=0)
    version = _one(form, "version")
    return TypedContent(
        text=_one(form, "text"),
        topics=_many(form, "topics"),
        main_topic=_one(form, "main_topic"),
        urgency=_one(form, "urgency"),
        consent=_one(form, "consent"),
        supports=_many(form, "supports"),
        version=int(version) if version.isdecimal() and len(version) < 9 else 0,
    )


Form = Annotated[TypedContent, Depends(_typed)]


def content(typed: TypedContent, today: date) -> Content:
    """打たれた内容を読む。読めない欄は ConsultationIncomplete。"""
    topics, supports = code_list("CL-01", today), code_list("CL-05", today)
    chosen = tuple(dict.fromkeys([*typed.topics, *([typed.main_topic] if typed.main_topic else [])]))
    fields = {}
    text = ""
    try:
        text = writing.free_text(typed.text)
    except Unwritable as refused:
        fields["text"] = refused.sentence
    known = {
        "topics": all(topics.has(code) for code in chosen),
        "supports": all(supports.has(code) for code in typed.supports),
        "urgency": typed.urgency in list(Urgency),
        "consent": typed.consent in list(ConsentState),
    }
    fields |= {name: CHOOSE_AGAIN for name, right in known.items() if not right}
    if fields:
        raise ConsultationIncomplete(fields=fields)
    return Content(text, chosen, typed.main_topic or None, Urgency(typed.urgency), ConsentState(typed.consent), typed.supports)


def withdrawal(form: FormData) -> tuple[WithdrawReason, str]:
    try:
        return WithdrawReason(_one(form, "reason")), writing.free_text(_one(form, "note"))
    except Unwritable as refused:
        raise ConsultationIncomplete(fields={"note": refused.sentence}) from None
    except ValueError:
        raise ConsultationIncomplete(REASON_NEEDED, fields={"reason": REASON_NEEDED}) from None


def targets(form: FormData) -> tuple[str, ...]:
    chosen = _many(form, "refer_to")
    if not chosen:
        raise ConsultationIncomplete(TARGET_NEEDED, fields={"refer_to": TARGET_NEEDED})
    return chosen


def _one(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return storable(value) if isinstance(value, str) else ""


def _many(form: FormData, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(storable(value) for value in form.getlist(name) if isinstance(value, str) and value))
