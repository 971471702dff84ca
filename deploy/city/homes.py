"""職員の自宅（homes.yaml）: 管理者が「職員」の画面で打つのと同じ決まりで入れる。町は世帯のものから取る。"""

import time
from pathlib import Path
from uuid import uuid4

import yaml

from deploy.city.town import Town
from deploy.onebox.staff import Person
from deploy.onebox.staff import people as staff
from services.intake import accounts
from services.intake.account import home
from shared.runtime import audit
from shared.runtime.auth import Staff
from shared.runtime.database import Database
from shared.runtime.ticket import Ticket

FILE = Path(__file__).with_name("homes.yaml")
MANAGER = "kanri-1"


def neighbours() -> dict[str, str]:
    """職員 → 同じ町の、名前のある世帯。"""
    return {one["staff"]: one["near"] for one in yaml.safe_load(FILE.read_text(encoding="utf-8"))}


async def settle(intake: Database, people: Town) -> None:
    """サインインしたことのある人にして（自宅はその人にだけ入れられる）、管理者が自宅を入れる。何度読み込んでも同じ。"""
    known = {person.sub: person for person in staff()}
    boss = known[MANAGER]
    by = Staff(boss.sub, boss.name, frozenset(boss.roles), frozenset(boss.domains), boss.team)
    towns = {household.demo: household.address.town for household in people.households if household.demo}
    async with intake.transaction() as tx:
        for sub, near in neighbours().items():
            await accounts.keep(tx, _ticket(known[sub]))
            await accounts.live_at(tx, sub, home(towns[near], ""))
            await audit.record(tx, by, "update", "account_home", sub)


def _ticket(person: Person) -> Ticket:
    now = time.time()
    return Ticket(
        sub=person.sub, name=person.name, roles=tuple(person.roles), domains=tuple(person.domains), team=person.team, sid=uuid4(), began=now,
        auth_time=int(now), idle=int(now), valid_to=person.valid_to,
    )  # fmt: skip
