"""`python -m deploy.city load [--households 300]`（省けば全市）、`truth`（正解ファイル）、`people`（名簿の JSON Lines）。"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from deploy.city import town, truth
from deploy.city.ledger import Ledger
from deploy.city.load import load
from deploy.city.progress import suited
from deploy.city.sample import TownTooSmall
from deploy.city.town import Town
from deploy.city.waiting import CannotLoad
from deploy.onebox.home import Home, read_json
from shared.runtime.database import Database

HELP = {
    "load": "動いている窓口に読み込む / load into the running units",
    "truth": "正解ファイルを書く / write the ground truth (JSON Lines)",
    "people": "名簿を書く / write the register (JSON Lines)",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.city", description="架空の市（サンプル市）。実在の人・住所は一つもありません。")
    words = parser.add_subparsers(dest="word", required=True)
    for word, help_text in HELP.items():
        command = words.add_parser(word, help=help_text)
        size = command.add_mutually_exclusive_group()
        size.add_argument("--households", type=int, metavar="N", help="小さな町の世帯数（省けば全市）")
        size.add_argument("--all", action="store_true", help="全市（既定）")
        if word != "load":
            command.add_argument("--until", type=datetime.fromisoformat, default=datetime.now(UTC), help="歴史の終わり（既定は今）")
    given = parser.parse_args()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_load(given.households)) if given.word == "load" else _print(given)
    except (CannotLoad, TownTooSmall) as trouble:
        print(trouble, file=sys.stderr)
        return 1


async def _load(households: int | None) -> int:
    box = read_json(Home.current().manifest)
    if not box:
        raise CannotLoad("動いている窓口が見つかりません。先に make up で立ち上げてください。")
    databases = {code: Database(url, code, pool_size=2) for code, url in box["databases"].items() if code not in ("notify", "console")}
    city_parameters = Path(given) if (given := os.environ.get("CITY_PARAMETERS")) else None
    try:
        print(await load(databases, households=households, city_parameters=city_parameters, say=suited()))
        until = (await Ledger.of(databases["intake"])).until
    finally:
        for database in databases.values():
            await database.close()
    if until:
        _write(Home.current().path / "city-truth.jsonl", truth.lines(_town(households, until)))
    return 0


def _town(households: int | None, until: datetime) -> Town:
    return town.whole(until) if households is None else town.small(until, households)


def _print(given: argparse.Namespace) -> int:
    people = _town(given.households, given.until)
    lines = truth.lines(people) if given.word == "truth" else _register(people)
    for line in lines:
        print(json.dumps(line, ensure_ascii=False, default=str))
    return 0


def _register(people: Town) -> Iterable[dict[str, Any]]:
    """One household a line, as `python -m services.intake.load_register` reads it."""
    for household in people.households:
        yield {
            "register_no": household.members[0].registry_no, "area": household.area, "town": household.address.town, "id": household.id,
            "members": [
                {
                    "name": person.name, "kana": person.kana_on_record, "role": person.role, "birth": person.birth,
                    "sex": "1" if person.sex == "M" else "2", "phone": person.phone, "id": person.id,
                }
                for person in household.members
            ],
        }  # fmt: skip


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
