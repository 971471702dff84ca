"""終結（CL-19）。拒否や不通だけでは閉じない: 見守りの日を決めて中断にする (domain.md §5.5)。"""

from dataclasses import replace
from datetime import date

from services.cases.casework.case import Case, CaseIsClosed, ReasonMissing, must_be_current
from services.cases.casework.profile import Rules
from shared.contracts.case import CaseClosed, CaseState
from shared.contracts.decision import Outcome
from shared.runtime.problems import Refusal


class EvaluationComesFirst(Refusal):
    code = "evaluation_comes_first"


class RepliesOutstanding(Refusal):
    code = "replies_outstanding"


def close(case: Case, reason: str, *, seen: int, on: date, rules: Rules, waiting: int) -> Outcome[Case]:
    """終結する。評価を経ない終結は理由が限られ、返信待ちのつなぎ（`waiting` 件）は先に片づける。"""
    must_be_current(case, seen)
    if case.closed:
        raise CaseIsClosed("このケースはすでに終結しています。")
    if reason not in rules.closing:
        raise ReasonMissing(fields={"close_reason": ReasonMissing.sentence})
    if CaseState.CLOSED not in case.next_states() and reason not in rules.close_any_time:
        first = f"「{rules.closing[reason]}」で終結するには、先に「評価」まで進めてください。"
        sentence = first + "会えないときは、理由と見守りの日を決めて「中断」にします。"
        raise EvaluationComesFirst(sentence, fields={"close_reason": sentence})
    if waiting and reason not in rules.close_despite_referrals:
        raise RepliesOutstanding(f"返信待ちのつなぎが {waiting} 件あります。返信を待つか、相手の窓口に確かめてから終結してください。")
    closed = replace(
        case, state=CaseState.CLOSED, close_reason=reason, closed_on=on, next_due=None, next_action="", suspend_reason=None, version=case.version + 1
    )
    event = CaseClosed(household_id=case.household_id, legal_basis=case.legal_basis, case_id=case.case_id, reason=reason, closed_on=on)
    return Outcome(closed, (event,))
