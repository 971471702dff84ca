"""漏えい等の報告（個人情報保護法68条、規則43–45条）の期限と、記録から埋められること。出すかどうか・何があったかは人が書く。"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.cases.center.seen import Sighting

#: 日。規則44条: 速報は知ったときから速やかに（おおむね3〜5日）、確報は30日、不正の目的によるおそれがあるときは60日
PRELIMINARY, FINAL, FINAL_WHEN_MALICIOUS = (3, 5), 30, 60
#: 人。規則43条4号: これを超えると、要配慮個人情報がなくても報告が要る（要配慮個人情報は1人でも）
MANY = 100


@dataclass(frozen=True, slots=True)
class Deadlines:
    """知った日を一日目とせず、翌日から数える。"""

    preliminary: tuple[date, date]
    final: date
    final_when_malicious: date


def deadlines(known_on: date) -> Deadlines:
    first, last = (known_on + timedelta(days=days) for days in PRELIMINARY)
    return Deadlines((first, last), known_on + timedelta(days=FINAL), known_on + timedelta(days=FINAL_WHEN_MALICIOUS))


@dataclass(frozen=True, slots=True)
class Reader:
    """一人の職員（または窓口）が見たことのまとめ。"""

    actor: str
    roles: tuple[str, ...]
    units: tuple[str, ...]
    times: int
    first: datetime
    last: datetime
    returned: tuple[str, ...]
    refused: int


def readers(sightings: Iterable[Sighting]) -> list[Reader]:
    """多く見た順。断られた試みも数える。"""
    by_actor: dict[str, list[Sighting]] = {}
    for one in sightings:
        by_actor.setdefault(one.entry.actor, []).append(one)
    return sorted((_reader(actor, seen) for actor, seen in by_actor.items()), key=lambda one: (-one.times, one.actor))


def _reader(actor: str, seen: list[Sighting]) -> Reader:
    entries = [one.entry for one in seen]
    return Reader(
        actor=actor,
        roles=tuple(sorted({role for entry in entries for role in entry.roles})),
        units=tuple(sorted({one.unit for one in seen})),
        times=len(entries),
        first=min(entry.at for entry in entries),
        last=max(entry.at for entry in entries),
        returned=tuple(code for code, _ in Counter(code for entry in entries for code in entry.returned).most_common()),
        refused=sum(entry.decision == "refuse" for entry in entries),
    )
