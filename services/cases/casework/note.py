"""支援経過（FM4）: 事実として共有する内容と、担当内の所見を分けて書く。消さずに訂正する。どちらもこの窓口から出ない。

支援会議で知ったことは、その会議の出席者だけが、会議のあいだだけ読む (domain.md §1.2)。
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from services.cases.casework import basis
from services.cases.casework.basis import NO_CONFERENCE, Conferences
from services.cases.casework.case import Case, must_be_open
from services.cases.casework.decision import Caseworker
from services.cases.casework.profile import Rules
from shared.contracts.decision import Outcome
from shared.contracts.event import CaseId
from shared.runtime.problems import Refusal


class NoteIncomplete(Refusal):
    status = 422
    code = "note_incomplete"
    sentence = "記録を確かめてください。"


class AlreadyCorrected(Refusal):
    code = "already_corrected"
    sentence = "この記録は先に訂正されました。新しいほうの記録を訂正してください。"


@dataclass(frozen=True, slots=True)
class Note:
    """`shared` は会議や開示で出せる事実、`private` は担当内の所見（見立て）。`corrects` は訂正した元の記録。"""

    note_id: UUID
    case_id: CaseId
    happened_on: date
    method: str
    partner: str
    shared: str
    private: str
    minutes: int | None
    next_action: str
    next_due: date | None
    by: Caseworker
    written_at: datetime
    corrects: UUID | None = None
    #: この経過を知った支援会議。その出席者だけが、その期間だけ読める
    conference_id: UUID | None = None


def write(
    case: Case, note: Note, *, on: date, rules: Rules, told: bool = False, conferences: Conferences = NO_CONFERENCE
) -> Outcome[Note]:  # fmt: skip
    """経過を書く。内容か所見のどちらかは要る。終結済みなら CaseIsClosed（訂正は `correct`）。

    `told` は支援会議で知ったこと: 続いている支援会議に出席していなければ NotAtTheConference。
    """
    must_be_open(case)
    _must_be_complete(note, on, rules)
    return Outcome(replace(note, conference_id=basis.attended(conferences, "told")) if told else note)


def correct(case: Case, note: Note, before: Note, *, corrected: bool, on: date, rules: Rules) -> Outcome[Note]:
    """`before` を訂正する。前の文は残り、会議の区分も前のまま。終結のあとでも訂正できる。二重の訂正は AlreadyCorrected。"""
    if corrected:
        raise AlreadyCorrected
    _must_be_complete(note, on, rules)
    return Outcome(replace(note, corrects=before.note_id, conference_id=before.conference_id))


def follow(case: Case, note: Note, *, rules: Rules) -> Outcome[Case]:
    """記録がケースに残すもの: 会った・話した日と、次にすること。支援会議で知ったことは、窓口のみなが見るケースには何も残さない。"""
    if note.conference_id:
        return Outcome(case)
    method = rules.method(note.method)
    met = method is not None and method.contact
    last = max(case.last_contact_on or note.happened_on, note.happened_on) if met else case.last_contact_on
    moved = replace(case, last_contact_on=last)
    return Outcome(replace(moved, next_due=note.next_due, next_action=note.next_action) if note.next_due else moved)


def _must_be_complete(note: Note, on: date, rules: Rules) -> None:
    wrong = {}
    if not note.shared and not note.private:
        wrong["shared"] = "共有する内容か、担当内の所見を書いてください。"
    if rules.method(note.method) is None:
        wrong["method"] = "方法を選んでください。"
    if note.happened_on > on:
        wrong["happened_on"] = "日付が先になっています。今日までの日を入れてください。"
    if note.next_due and note.next_due < on:
        wrong["next_due"] = "次の期限が過ぎた日になっています。今日からあとの日を入れてください。"
    if note.next_action and not note.next_due:
        wrong["next_due"] = "次の対応の期限を入れてください。"
    if wrong:
        raise NoteIncomplete(fields=wrong)
