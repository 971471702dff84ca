"""名寄せ: 「同じ世帯かもしれません」。点数と、その理由を言葉で返す（domain.md §8.5）。

自動では一つにしない。85点以上を提案、60〜84点を弱い一致、名前か電話だけの一致は参考として示し、決めるのは窓口の人。
生年月日・性別・町名は、名前か電話の一致を支えるだけで、それだけでは候補にしない。
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from rapidfuzz.distance import DamerauLevenshtein

from services.intake.household import Member, Person, Sex
from services.intake.search_key import family_part, kana_key, kanji_key, phone_key
from shared.contracts.household import MemberRole

#: 元号の取り違え（明治・大正・昭和・平成・令和の同じ年数）で生じる西暦の差
_ERA_GAPS = frozenset(abs(a - b) for a in (1867, 1911, 1925, 1988, 2018) for b in (1867, 1911, 1925, 1988, 2018) if a != b)
#: これより短い読みの一字違いは、偶然が多いので見ない
SHORTEST_FOR_NEAR = 4
_TOLD = (Sex.MALE, Sex.FEMALE)


@dataclass(frozen=True)
class Weights:
    """点数と線引き（parameters.yaml の matching.*）。"""

    kana_exact: int
    kana_near: int
    kanji_exact: int
    family_name: int
    birth_exact: int
    birth_near: int
    birth_differs: int
    sex: int
    town: int
    phone: int
    second_member: int
    propose: int
    weak: int
    mention: int
    shown: int


class Grade(StrEnum):
    PROPOSE = "propose"
    WEAK = "weak"
    MENTION = "mention"

    @property
    def label(self) -> str:
        return {"propose": "一致の見込みが高い", "weak": "弱い一致", "mention": "一部が同じ（参考）"}[self.value]


@dataclass(frozen=True, slots=True)
class Asked:
    """探している人（受付で入力された一人）。鍵は一度だけ作る。"""

    kana: str
    kanji: str
    family_kana: str
    family_kanji: str
    birth: date | None
    age: int | None
    sex: Sex | None
    phone: str
    town: str

    @classmethod
    def about(cls, person: Person, town: str) -> "Asked":
        return cls(
            kana_key(person.kana), kanji_key(person.name), kana_key(family_part(person.kana)), kanji_key(family_part(person.name)),
            person.birth.on, person.birth.age, person.sex, phone_key(person.phone), kanji_key(town),
        )  # fmt: skip

    @property
    def has_keys(self) -> bool:
        return bool(self.kana or self.kanji or self.phone)


@dataclass(frozen=True, slots=True)
class Known:
    """登録されている一人（検索キーだけ。名前は候補に残ったものだけ後で読む）。"""

    household_id: UUID
    member_id: UUID
    kana: str
    kanji: str
    family_kana: str
    family_kanji: str
    birth: date | None
    age: int | None
    sex: str | None
    phone: str
    town: str


@dataclass(frozen=True, slots=True)
class Match:
    household_id: UUID
    member_id: UUID
    score: int
    reasons: tuple[str, ...]
    #: どちらも分かっていて食い違うところ
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """候補の世帯。`matches` は一致した人ごとの理由、点の高い順。"""

    household_id: UUID
    score: int
    grade: Grade
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class _Evidence:
    points: int
    reason: str


def compare(asked: Asked, known: Known, weights: Weights) -> Match | None:
    """一人ずつ比べる。名前か電話の手がかりがなければ候補にしない（None）。"""
    named, firm = _names(asked, known, weights)
    phone = _phone(asked, known, weights)
    birth = _birth(asked, known, weights)
    if not (firm or phone or (named and birth)):
        return None
    evidence = [*named, *birth, *_sex(asked, known, weights), *_town(asked, known, weights), *phone]
    # Only for a namesake: the same telephone in another person's record is the household we look for.
    differs = _birth_differs(asked, known) if firm and not birth else ""
    score = sum(e.points for e in evidence) - (weights.birth_differs if differs else 0)
    reasons = tuple(e.reason for e in evidence if e.reason)
    return Match(known.household_id, known.member_id, score, reasons, _against(asked, known, differs))


def _birth_differs(asked: Asked, known: Known) -> str:
    """同姓同名の別人を見分ける手がかり。"""
    if asked.birth and known.birth:
        return "生年月日が違う"
    return "年齢が違う" if asked.age is not None and known.age is not None else ""


def _against(asked: Asked, known: Known, birth: str) -> tuple[str, ...]:
    """つなぐ前に気づいてほしい食い違い。"""
    checks = (
        (birth, birth),
        (asked.sex in _TOLD and known.sex in _TOLD and asked.sex != known.sex, "性別が違う"),
        (asked.town and known.town and asked.town != known.town, "町名が違う"),
        (asked.phone and known.phone and asked.phone != known.phone, "電話が違う"),
    )
    return tuple(reason for differs, reason in checks if differs)


def _names(asked: Asked, known: Known, weights: Weights) -> tuple[list[_Evidence], bool]:
    """名前の手がかりと、それが姓だけでなく名前全体のものか。"""
    found = []
    if asked.kana and asked.kana == known.kana:
        found.append(_Evidence(weights.kana_exact, "カナ一致"))
    elif is_near(asked.kana, known.kana):
        found.append(_Evidence(weights.kana_near, "カナが一字違い"))
    if asked.kanji and asked.kanji == known.kanji:
        found.append(_Evidence(weights.kanji_exact, "漢字一致（異体字を含む）"))
    if found:
        return found, True
    same_family = (asked.family_kana and asked.family_kana == known.family_kana) or (asked.family_kanji and asked.family_kanji == known.family_kanji)
    return ([_Evidence(weights.family_name, "姓が同じ")] if same_family else []), False


def is_near(asked: str, known: str) -> bool:
    """一字の違い・抜け・余り・入れ替わり。短い名前では偶然が多いので見ない。"""
    if min(len(asked), len(known)) < SHORTEST_FOR_NEAR or asked == known:
        return False
    return DamerauLevenshtein.distance(asked, known, score_cutoff=1) <= 1


def _birth(asked: Asked, known: Known, weights: Weights) -> list[_Evidence]:
    if asked.birth and known.birth:
        if asked.birth == known.birth:
            return [_Evidence(weights.birth_exact, "生年月日一致")]
        return [_Evidence(weights.birth_near, "生年月日が近い（年の書き違いか）")] if _year_slip(asked.birth, known.birth) else []
    if asked.age is not None and known.age is not None and abs(asked.age - known.age) <= 1:
        return [_Evidence(weights.birth_near, "年齢が合う")]
    return []


def _year_slip(asked: date, known: date) -> bool:
    gap = abs(asked.year - known.year)
    return (asked.month, asked.day) == (known.month, known.day) and (gap == 1 or gap in _ERA_GAPS)


def _sex(asked: Asked, known: Known, weights: Weights) -> list[_Evidence]:
    """性別は支えるだけで、理由として言うほどではない。"""
    return [_Evidence(weights.sex, "")] if asked.sex in _TOLD and asked.sex == known.sex else []


def _town(asked: Asked, known: Known, weights: Weights) -> list[_Evidence]:
    return [_Evidence(weights.town, "町名が同じ")] if asked.town and asked.town == known.town else []


def _phone(asked: Asked, known: Known, weights: Weights) -> list[_Evidence]:
    return [_Evidence(weights.phone, "電話が同じ")] if asked.phone and asked.phone == known.phone else []


def candidates(asked: Sequence[Asked], known: Iterable[Known], weights: Weights, *, not_same: frozenset[UUID] = frozenset()) -> list[Candidate]:
    """世帯ごとにまとめ、点の高い順に。`not_same` は「別人」と決めた世帯で、もう示さない。"""
    best: dict[UUID, dict[int, Match]] = {}
    for person in known:
        if person.household_id in not_same:
            continue
        for number, one in enumerate(asked):
            match = compare(one, person, weights)
            kept = best.setdefault(person.household_id, {}).get(number) if match else None
            if match and (kept is None or match.score > kept.score):
                best[person.household_id][number] = match
    found = [_candidate(household_id, list(matches.values()), weights) for household_id, matches in best.items()]
    shown = [candidate for candidate in found if candidate]
    return sorted(shown, key=lambda candidate: (-candidate.score, str(candidate.household_id)))[: weights.shown]


def _candidate(household_id: UUID, matches: list[Match], weights: Weights) -> Candidate | None:
    if not matches:
        return None
    matches.sort(key=lambda match: -match.score)
    second = any(match.member_id != matches[0].member_id and match.score >= weights.mention for match in matches)
    score = matches[0].score + (weights.second_member if second else 0)
    grade = Grade.PROPOSE if score >= weights.propose else Grade.WEAK if score >= weights.weak else Grade.MENTION
    return Candidate(household_id, score, grade, tuple(matches)) if score >= weights.mention else None


def same_person(person: Person, members: Iterable[Member]) -> Member | None:
    """世帯につないだとき、入力された人がすでに登録されている世帯員か。名前（なければ続柄）がそろい、年齢が食い違わないこと。"""
    for member in members:
        if ages_agree(person, member.person) and (_same_name(person, member.person) or _same_unnamed(person, member.person)):
            return member
    return None


def _same_name(one: Person, other: Person) -> bool:
    kanji, kana = kanji_key(one.name), kana_key(one.kana)
    return bool((kanji and kanji == kanji_key(other.name)) or (kana and kana == kana_key(other.kana)))


def _same_unnamed(one: Person, other: Person) -> bool:
    """名前を聞けなかった「長男、53歳くらい」は、続柄と年齢で見分ける。"""
    told = one.birth.on or one.birth.age is not None
    return bool(not one.name and not one.kana and told and one.role is other.role is not MemberRole.UNKNOWN)


def ages_agree(one: Person, other: Person) -> bool:
    """どちらかが不詳なら食い違わない。両方分かるなら、同じ日か年の書き違い、年齢なら1歳差まで。"""
    if one.birth.on and other.birth.on:
        return one.birth.on == other.birth.on or _year_slip(one.birth.on, other.birth.on)
    day = one.birth.asked_on or other.birth.asked_on
    ages = [birth.age_at(day) if day else None for birth in (one.birth, other.birth)]
    return ages[0] is None or ages[1] is None or abs(ages[0] - ages[1]) <= 1
