"""窓口（ユニット）そのものの出来事。How units learn of each other without knowing each other."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from shared.contracts.event import Code, Event, UnitCode, UnitPath, UnitTitle


class NavigationEntry(BaseModel):
    """上部の案内に出す一項目。`roles` のどれかを持つ職員にだけ見せる（空は全員）。"""

    model_config = ConfigDict(frozen=True, extra="ignore")

    label: UnitTitle
    href: UnitPath
    roles: tuple[Code, ...] = ()
    order: int = 50


class DomainAnnounced(Event):
    """窓口が始まった・変わった。表題・入口・つなぎを受けるかを、窓口自身の unit.toml から知らせる。"""

    channel: ClassVar[str] = "domain"
    name: ClassVar[str] = "announced"

    unit: UnitCode
    title: UnitTitle
    base: UnitPath
    welfare_domain: Code | None = None
    accepts_referrals: bool
    navigation: tuple[NavigationEntry, ...] = ()
    version: Code
