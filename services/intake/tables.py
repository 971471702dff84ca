"""The unit's tables for SQLAlchemy Core (created by migrations/; a test compares the two)."""

from sqlalchemy import ARRAY, Column, Date, DateTime, ForeignKey, Integer, MetaData, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
_MOMENT = DateTime(timezone=True)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


household = Table(
    "household",
    metadata,
    Column("id", Uuid, primary_key=True),
    _text("area"),
    _text("town"),
    _text("town_key"),
    _text("register_no", null=True),
    Column("registered_at", _MOMENT, nullable=False),
)

member = Table(
    "member",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_id", Uuid, ForeignKey("household.id"), nullable=False),
    _text("role"),
    _text("name"),
    _text("kana"),
    Column("birth", Date),
    Column("age", SmallInteger),
    Column("age_asked_on", Date),
    _text("sex", null=True),
    _text("phone"),
    Column("joined_on", Date, nullable=False),
    Column("left_on", Date),
    _text("left_reason", null=True),
    Column("version", Integer, nullable=False),
    _text("kana_key"),
    _text("kanji_key"),
    _text("family_kana_key"),
    _text("family_kanji_key"),
    _text("phone_key"),
)

#: 「別人」と決めた世帯の組。household_id < other_id で一度だけ持つ。
not_same_household = Table(
    "not_same_household",
    metadata,
    Column("household_id", Uuid, primary_key=True),
    Column("other_id", Uuid, primary_key=True),
    Column("decided_at", _MOMENT, nullable=False),
    _text("decided_by"),
)

receipt_counter = Table("receipt_counter", metadata, Column("fiscal_year", SmallInteger, primary_key=True), Column("last", Integer, nullable=False))

consultation = Table(
    "consultation",
    metadata,
    Column("id", Uuid, primary_key=True),
    _text("receipt_no"),
    Column("form_key", Uuid, nullable=False, unique=True),
    _text("form_hash"),
    Column("household_id", Uuid, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    Column("received_at", _MOMENT, nullable=False),
    Column("received_on", Date, nullable=False),
    _text("received_by"),
    _text("received_by_name"),
    _text("route"),
    _text("visitor_name"),
    _text("visitor_relation"),
    _text("visitor_phone"),
    _text("text"),
    Column("topics", ARRAY(Text), nullable=False),
    _text("main_topic", null=True),
    _text("urgency"),
    _text("consent"),
    Column("supports", ARRAY(Text), nullable=False),
    _text("withdrawn", null=True),
    _text("withdrawn_note"),
    Column("version", Integer, nullable=False),
    Column("changed_at", _MOMENT),
    _text("changed_by", null=True),
    _text("changed_by_name", null=True),
)

#: 訂正される前の内容。版ごとに残す。
consultation_history = Table(
    "consultation_history",
    metadata,
    Column("consultation_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("replaced_at", _MOMENT, nullable=False),
    _text("written_by_name"),
    _text("text"),
    Column("topics", ARRAY(Text), nullable=False),
    _text("main_topic", null=True),
    _text("urgency"),
    _text("consent"),
    Column("supports", ARRAY(Text), nullable=False),
)

fact = Table(
    "fact",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("consultation_id", Uuid),
    Column("household_id", Uuid, nullable=False),
    Column("member_id", Uuid),
    _text("kind"),
    _text("value"),
    Column("as_of", Date, nullable=False),
    Column("retracted_at", _MOMENT),
)

referral = Table(
    "referral",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_id", Uuid, nullable=False),
    Column("consultation_id", Uuid),
    _text("from_unit"),
    _text("to_unit"),
    _text("legal_basis"),
    _text("urgency"),
    Column("made_on", Date, nullable=False),
    Column("reply_due", Date, nullable=False),
    _text("status"),
    Column("answered_on", Date),
    _text("decline_reason", null=True),
)

early_answer = Table(
    "early_answer",
    metadata,
    Column("referral_id", Uuid, primary_key=True),
    Column("source", Text, primary_key=True),
    _text("status"),
    Column("answered_on", Date, nullable=False),
    _text("decline_reason", null=True),
)

draft = Table(
    "draft",
    metadata,
    Column("form_key", Uuid, primary_key=True),
    _text("owner"),
    Column("content", JSONB, nullable=False),
    Column("started_at", _MOMENT, nullable=False),
    Column("saved_at", _MOMENT, nullable=False),
)

disclosure = Table(
    "disclosure",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", _MOMENT, nullable=False),
    _text("asker"),
    Column("household_id", Uuid, nullable=False),
    _text("purpose"),
    _text("legal_basis"),
    Column("referral_id", Uuid),
    _text("refused", null=True),
    Column("member_ids", ARRAY(Uuid), nullable=False),
)

#: ほかの窓口のケースと見守り。`until` が空なら続いている。
involved = Table(
    "involved",
    metadata,
    Column("trace_id", Uuid, primary_key=True),
    Column("household_id", Uuid, nullable=False),
    _text("unit"),
    _text("kind"),
    Column("since", Date),
    Column("until", Date),
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_id", Uuid, nullable=False, unique=True),
    _text("reason"),
    Column("erased_on", Date, nullable=False),
    Column("decided_at", _MOMENT, nullable=False),
    _text("decided_by"),
    Column("removed", Integer, nullable=False),
)

erasure_receipt = Table(
    "erasure_receipt",
    metadata,
    Column("erasure_id", Uuid, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("removed", Integer, nullable=False),
    Column("kept_under", ARRAY(Text), nullable=False),
    Column("kept_until", Date),
    Column("done_on", Date),
)

lead_review = Table(
    "lead_review",
    metadata,
    Column("consultation_id", Uuid, primary_key=True),
    Column("reviewed_on", Date, nullable=False),
    _text("reviewed_by"),
)
