"""サンプル市の町と番地。町名は架空、番地は実在しない 9000 番台、電話は 000 で始まる。"""

from dataclasses import dataclass

from deploy.city.parameters import parameters

_TOWNS = {
    "SHUZENJI": "見本町 見本台 例示が丘 試験橋 雛形 仮組 標本通 想定",
    "NAKAIZU": "架空原 架空沢 模擬野 試作 例題里",
    "AMAGIYUGASHIMA": "空想峠 空想沢 仮名滝 模型谷",
    "TOI": "試験浜 見本崎 標本浦",
}
_LOTS = 1000  # 9000–9999


@dataclass(frozen=True, slots=True)
class Address:
    """`town_id` は町字ID の形（7桁）だが、9 で始まる架空の番号。"""

    area: str
    town: str
    town_id: str
    lot: str
    phone: str

    @property
    def text(self) -> str:
        return f"{parameters().municipality_name}{self.town}{self.lot}"


_NAMES = {area: names.split() for area, names in _TOWNS.items()}
_IDS = {name: f"9{number:03d}000" for number, name in enumerate((n for names in _NAMES.values() for n in names), start=1)}


def address(area: str, nth: int, household_no: int) -> Address:
    """The nth household of an area: its own lot (no two share one), spread over the towns."""
    towns = _NAMES[area]
    town, place = towns[nth % len(towns)], nth // len(towns) * 7
    lot = f"{9000 + place % _LOTS}番地{place // _LOTS + 1}"
    return Address(area, town, _IDS[town], lot, f"000-{1000 + household_no // 10000:04d}-{household_no % 10000:04d}")
