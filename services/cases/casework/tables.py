"""The tables of casework, as the migrations make them (a test compares them)."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Date, DateTime, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

metadata = MetaData()


def _table(name: str, *columns: SchemaItem) -> Table:
    return Table(name, metadata, *columns)


def _text(name: str) -> Column[str]:
    return Column(name, Text)


def _day(name: str) -> Column[object]:
    return Column(name, Date)


def _id(name: str, primary_key: bool = False) -> Column[object]:
    return Column(name, Uuid, primary_key=primary_key)


def _at(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


household = _table("household", _id("household_id", True), _text("area"))
member = _table(
    "member", _id("household_id", True), _id("member_id", True), _text("role"), _text("birth_month"), _text("left_reason"), _day("left_on")
)  # fmt: skip
referral = _table(
    "referral", _id("referral_id", True), _id("household_id"), _text("from_unit"), _text("to_unit"), _id("consultation_id"), _text("receipt_no"),
    Column("member_ids", ARRAY(Uuid)), Column("topics", ARRAY(Text)), _text("urgency"), _text("consent"), _text("legal_basis"), _day("made_on"),
    _day("reply_due"), _text("state"), _text("answered_by"), _text("answered_by_name"), _day("answered_on"), _text("decline_reason"), _id("case_id"),
    Column("version", Integer), Column("harm_checked", Boolean), _text("harm_note"),
)  # fmt: skip
case_file = _table(
    "case_file", _id("case_id", True), _id("household_id"), _id("referral_id"), _text("state"), Column("member_ids", ARRAY(Uuid)), _text("consent"),
    _text("legal_basis"), _text("urgency"), Column("topics", ARRAY(Text)), _text("caseworker"), _text("caseworker_name"), _day("opened_on"),
    _day("next_due"), _text("next_action"), _day("last_contact_on"), _text("suspend_reason"), _text("close_reason"), _day("closed_on"),
    Column("version", Integer), _at("updated_at"), _text("updated_by_name"),
)  # fmt: skip
case_step = _table(
    "case_step", Column("id", BigInteger, primary_key=True), _id("case_id"), _at("at"), _text("state"), _text("reason"), _text("by_sub"),
    _text("by_name"),
)  # fmt: skip
fact = _table(
    "fact", _id("fact_id", True), _id("household_id"), _id("case_id"), _id("member_id"), _text("kind"), _text("value"), _text("since"), _day("as_of"),
    _text("confidence"), _text("legal_basis"), _text("evidence"), _id("supersedes"), _day("retracted_on"), Column("is_current", Boolean),
    _at("recorded_at"), _text("by_sub"), _text("by_name"), Column("harm_checked", Boolean), _id("conference_id"), _text("harm_note"),
)  # fmt: skip
note = _table(
    "note", _id("note_id", True), _id("case_id"), _day("happened_on"), _text("method"), _text("partner"), _text("shared"), _text("private"),
    Column("minutes", Integer), _text("next_action"), _day("next_due"), _id("corrects"), _at("written_at"), _text("by_sub"), _text("by_name"),
    _id("conference_id"),
)  # fmt: skip
consent = _table(
    "consent", _id("household_id", True), _id("member_id", True), _text("state"), _day("as_of"), _at("said_at"), _id("source_id"),
    _day("until"), Column("recipients", ARRAY(Text)), Column("purposes", ARRAY(Text)),
)  # fmt: skip
disclosure = _table(
    "disclosure", _id("referral_id", True), _id("household_id"), _text("state"), _at("asked_at"), _at("answered_at"), _id("disclosure_id"),
    _text("refused"), _text("address"), _text("consultation_text"), _text("receipt_no"), _text("legal_basis"), Column("member_ids", ARRAY(Uuid)),
)  # fmt: skip
identity = _table(
    "identity", _id("household_id", True), _id("member_id", True), _text("role"), _text("name"), _text("kana"), _day("birth"), _text("sex"),
    _text("phone"), _at("disclosed_at"),
)  # fmt: skip
involvement = _table(
    "involvement", _id("trace_id", True), _id("household_id"), _text("unit"), _text("kind"), _day("since"), _day("until"), _id("consultation_id")
)  # fmt: skip
#: 消した世帯の、法が残すケース
kept_case = _table("kept_case", _id("case_id", True), _id("household_id"), _text("record_class"), _day("due_on"))
#: 上司の承認を待つ提供。`entry` は打たれたまま
approval = _table(
    "approval", _id("request_id", True), _id("household_id"), _id("case_id"), _text("kind"), Column("entry", JSONB), _text("why_not_asked"),
    _at("asked_at"), _text("by_sub"), _text("by_name"), _text("state"), _at("settled_at"), _text("settled_by"), _text("settled_by_name"),
    _text("reason"), _text("words"),
)  # fmt: skip
