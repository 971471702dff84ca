"""The tables of outreach, as in migrations/versions/0001_outreach.py (a test compares them)."""

from sqlalchemy import ARRAY, Column, Date, DateTime, Integer, MetaData, Table, Text, Uuid

metadata = MetaData()
_MOMENT = DateTime(timezone=True)

household = Table("household", metadata, Column("household_id", Uuid, primary_key=True), Column("area", Text))
member = Table(
    "member", metadata, Column("household_id", Uuid, primary_key=True), Column("member_id", Uuid, primary_key=True), Column("role", Text),
    Column("birth_month", Text), Column("left_reason", Text), Column("left_on", Date),
)  # fmt: skip
referral = Table(
    "referral", metadata, Column("referral_id", Uuid, primary_key=True), Column("household_id", Uuid), Column("from_unit", Text),
    Column("member_ids", ARRAY(Uuid)), Column("topics", ARRAY(Text)), Column("urgency", Text), Column("consent", Text), Column("legal_basis", Text),
    Column("made_on", Date), Column("reply_due", Date), Column("receipt_no", Text), Column("state", Text), Column("answered_by", Text),
    Column("answered_by_name", Text), Column("answered_on", Date), Column("decline_reason", Text), Column("plan_id", Uuid),
    Column("consultation_id", Uuid), Column("version", Integer),
)  # fmt: skip
watch = Table(
    "watch", metadata, Column("plan_id", Uuid, primary_key=True), Column("household_id", Uuid), Column("member_id", Uuid), Column("tier", Text),
    Column("legal_basis", Text), Column("next_due", _MOMENT), Column("planned_on", Date), Column("last_outcome", Text), Column("last_at", _MOMENT),
    Column("confirmed_at", _MOMENT), Column("ended_on", Date), Column("end_reason", Text), Column("changed_by", Text),
    Column("changed_by_name", Text), Column("changed_at", _MOMENT), Column("version", Integer),
)  # fmt: skip
#: 書き足すだけ。`memo` はこの窓口の外へ出ない
check_in = Table(
    "check_in", metadata, Column("check_in_id", Uuid, primary_key=True), Column("plan_id", Uuid), Column("outcome", Text), Column("at", _MOMENT),
    Column("until", Date), Column("memo", Text), Column("recorded_at", _MOMENT), Column("by_sub", Text), Column("by_name", Text),
)  # fmt: skip
#: 一人に一行。`source_id` は、もとになった事実かつなぎ
consent = Table(
    "consent", metadata, Column("household_id", Uuid, primary_key=True), Column("member_id", Uuid, primary_key=True), Column("state", Text),
    Column("as_of", Date), Column("said_at", _MOMENT), Column("source_id", Uuid), Column("until", Date), Column("purposes", ARRAY(Text)),
)  # fmt: skip
#: 受付への照会一つ。`question_id` は、根拠にしたつなぎ、つなぎがなければ見守り
disclosure = Table(
    "disclosure", metadata, Column("question_id", Uuid, primary_key=True), Column("household_id", Uuid), Column("referral_id", Uuid),
    Column("legal_basis", Text), Column("state", Text), Column("asked_at", _MOMENT), Column("refused", Text), Column("address", Text),
    Column("consultation_text", Text), Column("member_ids", ARRAY(Uuid)),
)  # fmt: skip
identity = Table(
    "identity", metadata, Column("household_id", Uuid, primary_key=True), Column("member_id", Uuid, primary_key=True), Column("name", Text),
    Column("kana", Text), Column("birth", Date), Column("phone", Text),
)  # fmt: skip
