"""名寄せ: 点数と、その理由。"""

from dataclasses import replace
from datetime import date
from uuid import UUID, uuid4

from services.intake.household import Birth, Household, Member, Person, Sex
from services.intake.matching import Asked, Candidate, Grade, Known, candidates, is_near, same_person
from services.intake.parameters import parameters_on
from services.intake.search_key import family_part, kana_key, kanji_key, phone_key
from shared.contracts.event import HouseholdId, MemberId
from shared.contracts.household import MemberRole

TODAY = date(2026, 11, 23)
WEIGHTS = parameters_on(TODAY).weights
FUMIKO = Person(MemberRole.HEAD, "髙橋 文子", "タカハシ フミコ", Birth(on=date(1943, 4, 1)), Sex.FEMALE, "0558-00-0001")
HOME = uuid4()


def known(person: Person, town: str = "", household: UUID = HOME) -> Known:
    return Known(
        household, uuid4(), kana_key(person.kana), kanji_key(person.name), kana_key(family_part(person.kana)), kanji_key(family_part(person.name)),
        person.birth.on, person.birth.age_at(TODAY), person.sex, phone_key(person.phone), kanji_key(town),
    )  # fmt: skip


def found(asked: Person, *people: Known, town: str = "") -> list[Candidate]:
    return candidates([Asked.about(asked, town)], people, WEIGHTS)


def test_t18_the_same_person_with_takahashi_written_two_ways_is_proposed() -> None:
    register = Person(name="高橋 文子", kana="タカハシ フミコ", birth=FUMIKO.birth)
    (candidate,) = found(replace(FUMIKO, sex=None, phone=""), known(register))
    assert candidate.score >= 85
    assert candidate.grade is Grade.PROPOSE
    assert candidate.matches[0].reasons == ("カナ一致", "漢字一致（異体字を含む）", "生年月日一致")


def test_everything_alike_gives_every_reason() -> None:
    (candidate,) = found(FUMIKO, known(FUMIKO, "架空町1"), town="架空町１")
    assert candidate.score == 125
    assert candidate.matches[0].reasons == ("カナ一致", "漢字一致（異体字を含む）", "生年月日一致", "町名が同じ", "電話が同じ")
    assert candidate.matches[0].against == ()


def test_a_namesake_born_on_another_day_is_only_mentioned_and_says_so() -> None:
    (candidate,) = found(FUMIKO, known(replace(FUMIKO, birth=Birth(on=date(2011, 5, 5)), phone="")))
    assert candidate.grade is Grade.MENTION
    assert "生年月日が違う" in candidate.matches[0].against


def test_a_slip_of_the_year_or_the_era_still_counts() -> None:
    for slip in (date(1944, 4, 1), date(2006, 4, 1)):  # S19 for S18, H18 for S18
        (candidate,) = found(FUMIKO, known(replace(FUMIKO, birth=Birth(on=slip))))
        assert "生年月日が近い（年の書き違いか）" in candidate.matches[0].reasons
        assert candidate.matches[0].against == ()


def test_an_age_within_a_year_supports_a_name() -> None:
    asked = Person(name="高橋 文子", kana="タカハシ フミコ", birth=Birth(age=82, asked_on=TODAY))
    (candidate,) = found(asked, known(FUMIKO))
    assert candidate.grade is Grade.WEAK
    assert "年齢が合う" in candidate.matches[0].reasons


def test_one_wrong_letter_in_the_kana_is_seen() -> None:
    (candidate,) = found(replace(FUMIKO, name="", kana="タカハシ フミエ"), known(replace(FUMIKO, name="")))
    assert candidate.matches[0].reasons[0] == "カナが一字違い"


def test_short_names_are_not_near_by_chance() -> None:
    assert not is_near("アイ", "アキ")
    assert is_near("タカハシフミコ", "タカハシフミ")
    assert is_near("タカハシフミコ", "タカハシミフコ")
    assert not is_near("タカハシフミコ", "タナハシフミエ")


def test_a_birthday_alone_or_a_town_alone_is_no_candidate() -> None:
    stranger = Person(name="例 太郎", kana="レイ タロウ", birth=FUMIKO.birth, sex=Sex.FEMALE)
    assert found(FUMIKO, known(stranger, "架空町1"), town="架空町1") == []


def test_the_same_telephone_alone_is_worth_a_mention_whoever_it_is() -> None:
    son = Person(MemberRole.CHILD, "髙橋 健一", "タカハシ ケンイチ", Birth(on=date(1973, 1, 1)), Sex.MALE, FUMIKO.phone)
    (candidate,) = found(FUMIKO, known(son))
    assert "電話が同じ" in candidate.matches[0].reasons
    assert "生年月日が違う" not in candidate.matches[0].against


def test_a_second_member_of_the_household_strengthens_it() -> None:
    son = Person(MemberRole.CHILD, "髙橋 健一", "タカハシ ケンイチ")
    asked = [Asked.about(replace(FUMIKO, birth=Birth(), phone=""), ""), Asked.about(son, "")]
    both = candidates(asked, [known(FUMIKO), known(son)], WEIGHTS)
    alone = candidates(asked, [known(FUMIKO)], WEIGHTS)
    assert both[0].score == alone[0].score + WEIGHTS.second_member
    assert len(both[0].matches) == 2


def test_the_best_comes_first_and_no_more_than_can_be_chosen_by_a_digit() -> None:
    others = [known(replace(FUMIKO, birth=Birth(), phone=""), household=uuid4()) for _ in range(12)]
    result = found(FUMIKO, *others, known(FUMIKO))
    assert len(result) == WEIGHTS.shown <= 9
    assert result[0].household_id == HOME


def test_a_household_decided_to_be_another_is_not_shown_again() -> None:
    assert candidates([Asked.about(FUMIKO, "")], [known(FUMIKO)], WEIGHTS, not_same=frozenset({HOME})) == []


def member(person: Person) -> Member:
    return Member(MemberId(uuid4()), person, TODAY)


def test_a_linked_household_recognises_its_own() -> None:
    home = Household(HouseholdId(HOME), members=(member(FUMIKO), member(Person(MemberRole.CHILD, "髙橋 健一", birth=Birth(age=53, asked_on=TODAY)))))
    assert same_person(Person(name="高橋　文子"), home.present) == home.members[0]
    assert same_person(Person(MemberRole.CHILD, birth=Birth(age=53, asked_on=TODAY)), home.present) == home.members[1]
    assert same_person(Person(MemberRole.CHILD, birth=Birth(age=20, asked_on=TODAY)), home.present) is None
    assert same_person(Person(name="高橋 文子", birth=Birth(on=date(2011, 5, 5))), home.present) is None
    assert same_person(Person(), home.present) is None
