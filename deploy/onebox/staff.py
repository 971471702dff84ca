"""架空の職員（staff.yaml）。"""

from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("staff.yaml")


@dataclass(frozen=True)
class Person:
    """サインインできる一人。"""

    sub: str
    name: str
    roles: list[str]
    domains: list[str]
    team: str
    note: str

    def claims(self) -> dict[str, object]:
        return {"name": self.name, "roles": self.roles, "domains": self.domains, "team": self.team, "staff_id": self.sub}


def people(file: Path = FILE) -> list[Person]:
    return [Person(**one) for one in yaml.safe_load(file.read_text(encoding="utf-8"))]
