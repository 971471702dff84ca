"""区分を、窓口で読む言葉にする。Pure: codes in, Japanese out; a code it does not know is shown as it is."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from services.notify.alert import Alert
from services.notify.deadlines import JST, day_of
from services.notify.rules import Evidence, Kind, Person
from services.notify.watch import STEP_LABELS
from shared.contracts.alert import DismissReason
from shared.contracts.codes import code_list, fact_kinds
from shared.contracts.event import Confidence
from shared.contracts.household import LeavingReason, MemberRole
from shared.contracts.visit import CheckInOutcome

_CONFIDENCE = {Confidence.CONFIRMED: "確認済", Confidence.REPORTED: "聞き取り", Confidence.SUSPECTED: "疑い"}
_CLOSED_BY_ITSELF = {
    "ended": "見守りが終わった",
    "left": "見守る人が世帯を離れた",
    "replanned": "見守りの期限が変わった",
    "answered": "受領がすべて届いた",
    "unseen": "同意が終わり、もとになった事実を見られなくなった",
}
_KIN = {"parent": "親", "child": "子", "single": "単身"}


def band_words(band: int | None) -> str:
    return "年代不明" if band is None else "10歳未満" if band == 0 else f"{band}代"


def person_words(person: Person | None) -> str:
    """「50代の子」。"""
    return f"{band_words(person.band)}の{_kin(person.kin)}" if person else "世帯"


def composition_words(people: Iterable[Person]) -> str:
    """「80代の親と50代の子」。四人からは人数でまとめる。"""
    everyone = list(people)
    if not everyone:
        return "世帯員の登録なし"
    if len(everyone) > 3:
        return f"{band_words(everyone[0].band)}から{band_words(everyone[-1].band)}までの{len(everyone)}人世帯"
    if len(everyone) == 1 and everyone[0].kin in ("single", "head"):
        return f"{band_words(everyone[0].band)}の単身"
    couple = [person for person in everyone if person.kin in ("head", "spouse")]
    others = [person_words(person) for person in everyone if person not in couple or len(couple) != 2]
    married = ["と".join(band_words(person.band) for person in couple) + "の夫婦"] if len(couple) == 2 else []
    return "と".join(married + others)


def _kin(kin: str) -> str:
    return _KIN.get(kin) or (MemberRole(kin).label if kin in set(MemberRole) else kin)


def evidence_words(evidence: Evidence) -> str:
    """根拠の一行。「50代の子　就労状況: 仕事をしていない（探していない）　2011年4月から」。"""
    who = f"{person_words(evidence.about)}　" if evidence.about else ""
    match evidence.kind:
        case Kind.HOUSEHOLD:
            return "親と子が同居"
        case Kind.LEFT:
            return f"{who}{_leaving(evidence.code)}"
        case Kind.INVOLVED:
            return "支援中" if evidence.code == "open" else "つなぎ済（返事待ち・受理）"
        case Kind.WATCH:
            return f"{who}見守り {_tier(evidence.code)}　期限 {moment_words(evidence.at)}"
        case Kind.CHECK_IN:
            return f"{who}直近の安否確認: {_outcome(evidence.code)}　{moment_words(evidence.at)}"
        case Kind.RECEIPT:
            return f"{who}同意の撤回（{moment_words(evidence.at)}）への受領が届いていない"
        case Kind.FACT:
            return f"{who}{fact_words(evidence.code)}{_since(evidence.since)}"


def fact_words(code: str) -> str:
    kind, _, value = code.partition(".")
    known = fact_kinds().get(kind)
    return f"{known.label}: {known.label_of(value)}" if known else code


def confidence_words(evidence: Evidence) -> str:
    return _CONFIDENCE.get(evidence.confidence, "") if evidence.confidence else ""


def closing_words(reason: str | None) -> str:
    """見送りの理由、または自分で閉じた理由。"""
    if reason is None:
        return ""
    if reason in set(DismissReason):
        return DismissReason(reason).label
    return _CLOSED_BY_ITSELF.get(reason) or f"安否が確かめられた（{_outcome(reason)}）"


def step_words(alert: Alert) -> str:
    return STEP_LABELS.get(alert.step, alert.step) if alert.step else ""


def unit_words(unit: str, titles: Mapping[str, str]) -> str:
    """窓口の表題の、かっこの前まで。「高齢の窓口（地域包括支援センター）」は「高齢の窓口」。"""
    return titles.get(unit, unit).partition("（")[0]


def moment_words(moment: datetime | None) -> str:
    """「11月24日 12:00」、日本時間。"""
    if moment is None:
        return ""
    local = moment.astimezone(JST)
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def clock_words(due: datetime, now: datetime) -> str:
    """期限までの残り。「あと 25分」「あと 3日」「2日 過ぎています」。"""
    left = due - now
    if left.total_seconds() < 0:
        return f"{_length(now - due, (day_of(now) - day_of(due)).days)} 過ぎています"
    return f"あと {_length(left, (day_of(due) - day_of(now)).days)}"


def _length(span: timedelta, days: int) -> str:
    seconds = int(span.total_seconds())
    if days >= 1 and seconds >= 12 * 3600:
        return f"{days}日"
    return f"{seconds // 3600}時間" if seconds >= 3600 else f"{max(seconds // 60, 0)}分"


def day_words(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _since(since: str | None) -> str:
    if since is None:
        return ""
    year, month = since.split("-")
    return f"　{year}年{int(month)}月から"


def _leaving(code: str) -> str:
    return LeavingReason(code).label if code in set(LeavingReason) else code


def _outcome(code: str) -> str:
    return CheckInOutcome(code).label if code in set(CheckInOutcome) else code


def _tier(code: str) -> str:
    tier = code.partition(".")[2]
    return f"{tier}（{code_list('watch_tiers').label(tier)}）"
