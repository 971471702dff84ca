"""世帯と人の形。What the generator knows about a person: identity (synthetic), place in the household, and the true state of things."""

from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from deploy.city.parameters import ADULT, ELDERLY
from deploy.city.places import Address


@dataclass(slots=True)
class Truth:
    """本人の本当の状態（窓口が知っているとは限らない）。"""

    care_level: str = "none"
    care_since: date | None = None
    dementia: str = "none"
    handbooks: tuple[str, ...] = ()
    withdrawn: str = "none"
    withdrawn_since: date | None = None
    withdrawn_known: bool = False
    employment: str = ""
    income_main: str = ""
    school_absence: str = ""
    care_role: bool = False


@dataclass(slots=True)
class Person:
    id: UUID
    resident_no: str
    sex: str
    birth: date
    age: int
    role: str
    relation: str
    generation: int
    surname: str
    surname_kana: str
    given: str = ""
    given_kana: str = ""
    registry_no: str = ""
    phone: str = ""
    marital: str = "unknown"
    synthetic: bool = True
    #: the reading as it stands wrongly in the register (a deliberate fault), or None
    wrong_kana: tuple[str, str] | None = None
    duplicate_of: UUID | None = None
    truth: Truth = field(default_factory=Truth)

    @property
    def name(self) -> str:
        return f"{self.surname} {self.given}"

    @property
    def kana_on_record(self) -> str:
        return " ".join(self.wrong_kana or (self.surname_kana, self.given_kana))

    @property
    def is_minor(self) -> bool:
        return self.age < ADULT

    @property
    def is_elderly(self) -> bool:
        return self.age >= ELDERLY


@dataclass(slots=True)
class Household:
    """生活実態の世帯。`former` は十年のあいだに離れた人（いまの人口には数えない）。"""

    no: int
    id: UUID
    type: str
    address: Address
    members: list[Person]
    demo: str = ""
    former: list[Person] = field(default_factory=list)
    key_person: str = "ok"
    watch: str = ""
    poverty: bool = False
    arrears: dict[str, str] = field(default_factory=dict)
    rubbish: bool = False
    animals: bool = False

    @property
    def area(self) -> str:
        return self.address.area

    def person(self, role: str) -> Person | None:
        return next((member for member in self.members if member.role == role), None)
