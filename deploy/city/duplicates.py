"""同じ人の二重登録と、フリガナの誤り（故意の誤り、§9.4-6）。"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import uuid5

from deploy.city.commands import ReceiveConsultation, RegisterHousehold
from deploy.city.diary import Diary
from deploy.city.people import Person

_OTHER_WRITING = {"沢": "澤", "島": "嶋", "崎": "﨑", "辺": "邊", "塚": "塚"}
_VOICED = str.maketrans("ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポ", "カキクケコサシスセソタチツテトハヒフヘホハヒフヘホ")
_CONFUSED = str.maketrans({"ョ": "ヨ", "ュ": "ユ", "ャ": "ヤ", "ッ": "ツ"})
_VOICE_WRONGLY = str.maketrans("カキクケコサシスセソタツテトハヒフヘホ", "ガギグゲゴザジズゼゾダヅデドバビブベボ")


def misheard(rng: Random, surname_kana: str, given_kana: str) -> tuple[str, str]:
    """A reading as it is heard or typed wrongly: voicing, small letters, a long vowel. Never equal to the right one."""
    changes = (
        (surname_kana.translate(_VOICED), given_kana),
        (surname_kana, given_kana.translate(_CONFUSED)),
        (surname_kana, given_kana.replace("ウ", "オ", 1)),
        (surname_kana[:-1] + surname_kana[-1].translate(_VOICE_WRONGLY), given_kana),
        (surname_kana, given_kana[:-1] + given_kana[-1].translate(_VOICE_WRONGLY)),
        (surname_kana, given_kana + "ー"),
    )
    different = [change for change in changes if change != (surname_kana, given_kana)]
    return different[int(rng.random() * len(different))]


def take_again(diary: Diary, at: datetime, person: Person, topics: Sequence[str], text: str, *, written: str = "") -> None:
    """候補に気づかず、新しい世帯として受け付けてしまう。住所は聞かず、生年月日や字がわずかに違うことがある。"""
    household = uuid5(person.id, "duplicate")
    if any(isinstance(command, RegisterHousehold) and command.household == household for command in diary.commands):
        return
    again = _as_heard(diary.rng, person, written)
    address = replace(diary.household.address, town="", town_id="", lot="")
    diary.add(RegisterHousehold(at, household, address, (again,), duplicate_of=diary.household.id))
    later = at + timedelta(seconds=1)
    diary.add(ReceiveConsultation(later, household, diary.new_id(), tuple(topics), topics[0], "2", "D", "not_asked", text, (), (again.id,)))


def _as_heard(rng: Random, person: Person, written: str) -> Person:
    surname = written or _other_writing(person.surname)
    right = person.surname_kana, person.given_kana
    surname_kana, given_kana = right if rng.random() < 0.6 else misheard(rng, *right)
    slip = timedelta(days=rng.choice((0, 0, 0, 1, 10, 365)))
    return replace(
        person, id=uuid5(person.id, "duplicate/member"), resident_no="", registry_no="", role="head", relation="", surname=surname,
        surname_kana=surname_kana, given_kana=given_kana, birth=person.birth + slip,
        duplicate_of=person.id, wrong_kana=None,
    )  # fmt: skip


def _other_writing(surname: str) -> str:
    return surname[:-1] + _OTHER_WRITING.get(surname[-1], surname[-1])
