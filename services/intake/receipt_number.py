"""受付番号と年度: 日本時間の4月1日 0:00 に改まる。"""

from datetime import date, datetime

from shared.desk import wareki


def local_day(at: datetime) -> date:
    """日本時間の日付。"""
    return at.astimezone(wareki.JST).date()


def fiscal_year(at: datetime) -> int:
    """年度（4月1日 0:00 日本時間に変わる）。"""
    return wareki.fiscal_year(local_day(at))


def receipt_number(year: int, serial: int) -> str:
    """受付番号 R8-0001: 年度（和暦。2019年度は令和元年度 R1）と通し番号。1万件を超えたら桁が増える。"""
    era = f"R{year - 2018}" if year >= 2019 else f"H{year - 1988}"
    return f"{era}-{serial:04d}"
