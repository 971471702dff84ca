"""世帯員の訂正・追加・異動と、世帯をさがす様式を読む。"""

from datetime import date

from starlette.datastructures import FormData

from services.intake.candidate_search import Wanted
from services.intake.concerns import ConcernFields
from services.intake.household import LeavingDateWrong, Person
from services.intake.search_key import kana_key, kanji_key, phone_key
from services.intake.sheet_form import Reader
from services.intake.typed import Typed, storable
from shared.contracts.household import LeavingReason, MemberRole
from shared.desk.wareki import DateUnreadable, parse_date
from shared.runtime.problems import FormIncomplete

REASON_NEEDED = "離れた理由を選んでください。"
SAY_SOMETHING = "氏名・フリガナ・生年月日・電話のどれかを入れてください。"


class MemberFormIncomplete(FormIncomplete):
    """`fields` は欄の名前→何をすればよいか。"""

    code = "member_form_incomplete"
    sentence = "保存していません。次のところを直してください。"


def person(typed: Typed, fields: ConcernFields, today: date, before: Person | None) -> Person:
    """打たれた世帯員。年齢だけの人の年齢を変えなければ、聞いた日もそのまま。"""
    reader = Reader(typed, fields, today)
    read = reader.person("", MemberRole.UNKNOWN)
    if reader.problems:
        raise MemberFormIncomplete(fields=reader.problems)
    same_age = before is not None and before.birth.estimated and read.birth.estimated and read.birth.age == before.birth.age
    return Person(read.role, read.name, read.kana, before.birth, read.sex, read.phone) if before and same_age else read


def version(typed: Typed) -> int:
    text = typed.one("version")
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def leaving(form: FormData, today: date) -> tuple[LeavingReason, date]:
    reason, day = form.get("reason", ""), form.get("effective_on", "")
    if reason not in list(LeavingReason):
        raise LeavingDateWrong(REASON_NEEDED)
    try:
        return LeavingReason(reason), parse_date(storable(day) if isinstance(day, str) else "", today=today)
    except DateUnreadable as unreadable:
        raise LeavingDateWrong(unreadable.sentence) from None


def wanted(typed: Typed, fields: ConcernFields, today: date) -> tuple[Wanted, dict[str, str]]:
    """さがす人。読めない欄は直してもらう。"""
    reader = Reader(typed, fields, today)
    read = reader.person("", MemberRole.UNKNOWN)
    found = Wanted(kana_key(read.kana), kanji_key(read.name), phone_key(read.phone), read.birth.on)
    problems = dict(reader.problems)
    if not problems and not found:
        problems["kana"] = SAY_SOMETHING
    return found, problems
