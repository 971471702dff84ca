"""架空の職員（staff.yaml）。"""

import contextlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("staff.yaml")


@dataclass(frozen=True)
class Person:
    """サインインできる一人。`valid_to` は利用期限の日（その日までは使える）。"""

    sub: str
    name: str
    roles: list[str]
    domains: list[str]
    team: str
    note: str
    valid_to: date | None = None

    def claims(self) -> dict[str, object]:
        told: dict[str, object] = {"name": self.name, "roles": self.roles, "domains": self.domains, "team": self.team, "staff_id": self.sub}
        return told | ({"valid_to": str(self.valid_to)} if self.valid_to else {})


@dataclass
class Roll:
    """職員の名簿。ファイルが変わったら、次に聞かれたとき読み直す（書きかけで読めなければ、前のまま）。"""

    file: Path = FILE
    _read_at: int = 0
    _people: list[Person] = field(default_factory=list)

    def now(self) -> list[Person]:
        changed_at = self.file.stat().st_mtime_ns
        if changed_at != self._read_at:
            with contextlib.suppress(yaml.YAMLError, TypeError):
                self._people, self._read_at = people(self.file), changed_at
        return self._people


def people(file: Path = FILE) -> list[Person]:
    return [Person(**one) for one in yaml.safe_load(file.read_text(encoding="utf-8"))]
