"""会議を招集する・出席者や終わりの日を改める・終える (domain.md §1.2)。

会議の根拠は一つで、議題はそれを引き継ぐ。同意のない案件は、支援会議（社会福祉法106条の6）にだけかけられる。
出席者は、招集した日から終わりの日まで、議題の世帯の要約と、その会議で知らせ合った事実を見られる。
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta

from services.cases.casework.household import Household, Member, age_about
from services.cases.center.conference import GROUND, Convening, Draft, DraftState
from shared.contracts import consent_said
from shared.contracts.conference import ConferenceClosed, ConferenceConvened, Forum
from shared.contracts.consent_said import Consents
from shared.contracts.consultation import ConsentState
from shared.contracts.decision import Outcome
from shared.contracts.event import LegalBasis, MemberId
from shared.runtime.problems import Refusal

BASIS = {Forum.CONFIDENTIAL: LegalBasis.ART106_6, Forum.CONSENTED: LegalBasis.CONSENT}


class ConsentNotComplete(Refusal):
    status = 422
    code = "consent_not_complete"
    sentence = "本人の同意がそろっていないので、重層的支援会議にはかけられません。支援会議（社会福祉法106条の6）を選んでください。"


class ForumIsFixed(Refusal):
    status = 422
    code = "forum_is_fixed"
    sentence = "招集した会議の種類は変えられません。この会議を終えてから、新しい案で招集してください。"


class MembersMissing(Refusal):
    status = 422
    code = "members_missing"
    sentence = "出席する窓口か職員を、一つは選んでください。"


class PeriodUnfit(Refusal):
    status = 422
    code = "period_unfit"
    sentence = "終わりの日は、始まりの日からあとにしてください。"


class ConferenceIsOver(Refusal):
    code = "conference_is_over"
    sentence = "この案は取り下げられたか、会議が終わっています。一覧から開き直してください。"


class AnotherConferenceIsOpen(Refusal):
    code = "another_conference_is_open"
    sentence = "この世帯には、続いている同じ種類の会議があります。その会議を終えるか、出席者を改めてください。"


@dataclass(frozen=True, slots=True)
class Terms:
    """期間の決まり（日）。`after` は、終わったあと出席者がまだ見られる日数。"""

    usual: int
    longest: int
    after: int


def whose_consent(household: Household, on: date, of_age: int) -> tuple[Member, ...]:
    """重層的支援会議に、だれの同意がいるか: いま世帯にいる成年（`of_age` 歳から）。年齢の分からない人も、聞くまでは成年として数える。

    子どものことは、同意した成年が答える。外に出ない子（8050）も、本人が同意するまでは支援会議（domain.md §1.2 typical path）。
    """
    return tuple(one for one in household.present if one.birth_month is None or age_about(one.birth_month, on) >= of_age)


def without_consent(whose: tuple[Member, ...], said: Consents, other: Collection[MemberId] = (), lacks: str = "") -> str:
    """同意のない人を続柄で。断った人・撤回した人も、まだ聞いていない人も。そろっていれば空。

    `other` は、同意はあるが、目的の `lacks` が入っていない人。
    """
    why = {one: f"（目的の{lacks}が入っていません。受付で取り直せます）" for one in other}
    missing = [one.role.label + why.get(one.member_id, "") for one in whose if consent_said.of(said, one.member_id) is not ConsentState.GIVEN]
    return "・".join(missing) if whose else "世帯の顔ぶれが、まだ届いていません"


def taken_back(whose: tuple[Member, ...], said: Consents) -> bool:
    """同意していた人がもう同意していない、または聞かれて断った人がいる。まだ聞いていない人は数えない。"""
    return any(said.get(one.member_id, ConsentState.GIVEN) is not ConsentState.GIVEN for one in whose)


def convene(draft: Draft, wish: Convening, *, without: str, another: bool, terms: Terms) -> Outcome[Draft]:
    """招集する、または出席者と期間を改める。

    `without` は同意のない人（`without_consent`）。`another` は、同じ種類の会議がこの世帯でもう続いていること。
    """
    if draft.state not in (DraftState.DRAFT, DraftState.CONVENED):
        raise ConferenceIsOver
    _must_be_lawful(draft, wish, without)
    if not wish.units and not wish.staff:
        raise MembersMissing(fields={"units": MembersMissing.sentence})
    _must_have_an_end(wish, terms)
    if another:
        raise AnotherConferenceIsOpen
    event = ConferenceConvened(
        household_id=draft.household_id,
        legal_basis=BASIS[wish.forum],
        conference_id=draft.conference_id,
        forum=wish.forum,
        units=wish.units,
        staff=wish.staff,
        convened_on=wish.convened_on,
        ends_on=wish.ends_on,
        readable_until=wish.ends_on + timedelta(days=terms.after),
    )
    return Outcome(replace(draft, state=DraftState.CONVENED, convening=wish), (event,))


def close(draft: Draft, *, on: date, terms: Terms) -> Outcome[Draft]:
    """会議を終える。終えた日のうちは、出席者はまだ見られる。"""
    held = _held(draft)
    return _closed(draft, held, on, min(held.ends_on, on) + timedelta(days=terms.after), BASIS[held.forum])


def break_off(draft: Draft, *, on: date) -> Outcome[Draft]:
    """同意が撤回された重層的支援会議は、そこで終わる。出席者は、いまから見られない。"""
    return _closed(draft, _held(draft), on, on - timedelta(days=1), LegalBasis.INTERNAL_69_2_2)


def _held(draft: Draft) -> Convening:
    if draft.state is not DraftState.CONVENED or draft.convening is None:
        raise ConferenceIsOver
    return draft.convening


def _closed(draft: Draft, held: Convening, on: date, readable_until: date, basis: LegalBasis) -> Outcome[Draft]:
    event = ConferenceClosed(
        household_id=draft.household_id, legal_basis=basis, conference_id=draft.conference_id, closed_on=on, readable_until=readable_until
    )
    return Outcome(replace(draft, state=DraftState.CLOSED, convening=replace(held, closed_on=on)), (event,))


def _must_be_lawful(draft: Draft, wish: Convening, without: str) -> None:
    if wish.forum not in GROUND or (draft.convening and draft.convening.forum is not wish.forum):
        raise ForumIsFixed(fields={"forum": ForumIsFixed.sentence})
    if wish.forum is Forum.CONSENTED and (without or not draft.agreed):
        raise ConsentNotComplete(fields={"forum": ConsentNotComplete.sentence + (f"（同意のない人: {without}）" if without else "")})


def _must_have_an_end(wish: Convening, terms: Terms) -> None:
    if wish.ends_on < wish.convened_on:
        raise PeriodUnfit(fields={"ends_on": PeriodUnfit.sentence})
    if (wish.ends_on - wish.convened_on).days > terms.longest:
        raise PeriodUnfit(fields={"ends_on": f"会議の期間は{terms.longest}日までです。続くときは、終わりの日を改めてください。"})
