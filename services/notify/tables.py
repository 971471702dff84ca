"""The tables of notify (created by migrations/, compared with them by a test)."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Integer, MetaData, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
_MOMENT = DateTime(timezone=True)

#: 一世帯一行。便りを聞くたびに、読んで・畳んで・書く
household = Table(
    "household",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("area", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("heard_at", _MOMENT, nullable=False),
    #: 古い便りを聞いて、まだ判定していない
    Column("late_at", _MOMENT),
)

alert = Table(
    "alert",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_id", Uuid, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("severity", Text, nullable=False),
    Column("to_unit", Text, nullable=False),
    Column("raised_at", _MOMENT, nullable=False),
    Column("due", _MOMENT, nullable=False),
    Column("closed_at", _MOMENT),
    Column("body", JSONB, nullable=False),
    #: 要る根拠（body の needed）の根拠コード。まだ分からなければ unknown
    Column("bases", ARRAY(Text), nullable=False),
    Column("correlation_id", Uuid),
    Column("traceparent", Text),
)

#: 画面に流す変化。`number` は確定したあとに一か所で振る（stream.py）
inbox_change = Table(
    "inbox_change",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", Uuid, nullable=False),
    Column("announce", Boolean, nullable=False),
    Column("at", _MOMENT, nullable=False),
    Column("number", BigInteger, unique=True),
)

#: 消えた気づきの数（年度・ルール・重さ・状態ごと）
alert_counted = Table(
    "alert_counted",
    metadata,
    Column("fiscal_year", SmallInteger, primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Column("severity", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("alerts", Integer, nullable=False),
)
