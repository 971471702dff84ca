"""The unit's tables for SQLAlchemy Core (created by migrations/; a test compares the two)."""

from sqlalchemy import ARRAY, Boolean, Column, Date, DateTime, ForeignKey, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, Uuid
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

#: 保護について、出来事に載せられないこと（本体は protection、shared/runtime/migrations）
protection_note = Table(
    "protection_note",
    metadata,
    Column("protection_id", Uuid, primary_key=True),
    Column("household_id", Uuid, nullable=False),
    _text("send_to"),
    Column("restrictions", ARRAY(Text), nullable=False),
    _text("note"),
    _text("declared_by"),
    _text("declared_by_name"),
    Column("declared_at", _MOMENT, nullable=False),
    Column("confirmed_at", _MOMENT),
    _text("confirmed_by_name", null=True),
    Column("version", Integer, nullable=False),
)

glass_request = Table(
    "glass_request",
    metadata,
    Column("access_id", Uuid, primary_key=True),
    Column("household_id", Uuid, nullable=False),
    Column("known", Boolean, nullable=False),
    _text("staff"),
    _text("staff_name"),
    _text("reason"),
    _text("note"),
    Column("asked_at", _MOMENT, nullable=False),
    _text("state"),
    _text("second", null=True),
    _text("second_name", null=True),
    Column("opened_at", _MOMENT),
    Column("until", _MOMENT),
    Column("review_due", Date),
    Column("reviewed_at", _MOMENT),
    _text("reviewed_by_name", null=True),
    _text("verdict", null=True),
    Column("escalated_at", _MOMENT),
)

#: サインインした職員のアカウント（管理者の点検のため）。氏名はここだけに残り、便りにもログにも出ない
account = Table(
    "account",
    metadata,
    Column("sub", Text, primary_key=True),
    _text("name"),
    _text("team"),
    Column("roles", ARRAY(Text), nullable=False),
    Column("domains", ARRAY(Text), nullable=False),
    Column("valid_to", Date),
    Column("first_signed_in_at", _MOMENT, nullable=False),
    Column("last_signed_in_at", _MOMENT, nullable=False),
    _text("home_town"),
    _text("home_block"),
)

#: 同意の一つひとつ。書きかえない（つなぎ先が増えたときの recipients だけは足す）
consent = Table(
    "consent",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
    Column("recipients", ARRAY(Text), nullable=False),
    Column("excluded_items", ARRAY(Text), nullable=False),
    _text("form"),
    _text("given_by"),
    _text("explained_by"),
    Column("obtained_on", Date, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("said_at", _MOMENT, nullable=False),
    _text("source"),
    _text("recorded_by_name"),
)

#: 署名のある紙のスキャン。ファイル名は持たない（人の名前が入っていることが多い）
consent_scan = Table(
    "consent_scan",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("consent_id", Uuid, ForeignKey("consent.id"), nullable=False),
    Column("household_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    _text("media_type"),
    Column("content", LargeBinary, nullable=False),
    _text("sha256"),
    Column("bytes", Integer, nullable=False),
    Column("added_at", _MOMENT, nullable=False),
    _text("added_by"),
    _text("added_by_name"),
)

#: 写しの取消し: 求めた人と、確かめた人。写しの中身が消えても残る
consent_scan_removal = Table(
    "consent_scan_removal",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("scan_id", Uuid, nullable=False),
    Column("consent_id", Uuid, ForeignKey("consent.id"), nullable=False),
    Column("household_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    _text("sha256"),
    _text("reason"),
    _text("state"),
    Column("asked_at", _MOMENT, nullable=False),
    _text("asked_by"),
    _text("asked_by_name"),
    Column("settled_at", _MOMENT),
    Column("settled_by", Text),
    Column("settled_by_name", Text),
)

consent_withdrawal = Table(
    "consent_withdrawal",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("consent_id", Uuid, nullable=False),
    Column("household_id", Uuid, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("recipients", ARRAY(Text), nullable=False),
    Column("everyone", Boolean, nullable=False),
    _text("reason"),
    Column("withdrawn_on", Date, nullable=False),
    Column("said_at", _MOMENT, nullable=False),
    _text("source"),
    _text("recorded_by_name"),
    Column("alarmed_at", _MOMENT),
)

#: 撤回を知らせた相手ごとに一行。受領が届くまで done_on は空
withdrawal_receipt = Table(
    "withdrawal_receipt",
    metadata,
    Column("withdrawal_id", Uuid, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("removed", Integer),
    Column("kept_under", ARRAY(Text), nullable=False),
    Column("done_on", Date),
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
