"""The tables of outreach (created by migrations/, compared with them by a test)."""

from sqlalchemy import ARRAY, Column, Date, DateTime, Integer, MetaData, Table, Text, Uuid

metadata = MetaData()
_MOMENT = DateTime(timezone=True)

household = Table("household", metadata, Column("household_id", Uuid, primary_key=True), Column("area", Text))
member = Table(
    "member", metadata, Column("household_id", Uuid, primary_key=True), Column("member_id", Uuid, primary_key=True), Column("role", Text),
    Column("birth_month", Text), Column("left_on", Date), Column("left_reason", Text),
)  # fmt: skip
referral = Table(
    "referral", metadata, Column("id", Uuid, primary_key=True), Column("household_id", Uuid), Column("from_unit", Text),
    Column("member_ids", ARRAY(Uuid)), Column("urgency", Text), Column("legal_basis", Text), Column("made_on", Date), Column("reply_due", Date),
    Column("receipt_no", Text), Column("state", Text),
)  # fmt: skip
watch = Table(
    "watch", metadata, Column("id", Uuid, primary_key=True), Column("household_id", Uuid), Column("member_id", Uuid), Column("tier", Text),
    Column("next_due", _MOMENT), Column("planned_on", Date), Column("legal_basis", Text), Column("referral_id", Uuid), Column("last_outcome", Text),
    Column("last_at", _MOMENT), Column("confirmed_at", _MOMENT), Column("away_until", Date), Column("ended_on", Date), Column("end_reason", Text),
    Column("version", Integer),
)  # fmt: skip
#: 記録は書き足すだけ。`memo` はこの窓口の外へ出ない
check_in = Table(
    "check_in", metadata, Column("id", Uuid, primary_key=True), Column("watch_id", Uuid), Column("outcome", Text), Column("at", _MOMENT),
    Column("away_until", Date), Column("memo", Text), Column("recorded_at", _MOMENT), Column("by_sub", Text), Column("by_name", Text),
)  # fmt: skip
alert = Table(
    "alert", metadata, Column("id", Uuid, primary_key=True), Column("household_id", Uuid), Column("rule_id", Text), Column("severity", Text),
    Column("state", Text),
)  # fmt: skip
disclosure = Table(
    "disclosure", metadata, Column("household_id", Uuid, primary_key=True), Column("state", Text), Column("asked_at", _MOMENT), Column("refused", Text),
    Column("address", Text),
)  # fmt: skip
identity = Table(
    "identity", metadata, Column("household_id", Uuid, primary_key=True), Column("member_id", Uuid, primary_key=True), Column("name", Text),
    Column("kana", Text), Column("phone", Text),
)  # fmt: skip
