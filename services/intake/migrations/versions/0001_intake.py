"""Households, members, consultations, referrals, drafts, receipt counters: 総合相談窓口 の表。"""

from alembic import op

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = None

TABLES = (
    """
    create table household (
      id uuid primary key,
      area text not null,
      town text not null default '',
      town_key text not null default '',
      register_no text unique,
      registered_at timestamptz not null)
    """,
    """
    create table member (
      id uuid primary key,
      household_id uuid not null references household,
      role text not null,
      name text not null default '',
      kana text not null default '',
      birth date,
      age smallint,
      age_asked_on date,
      sex text,
      phone text not null default '',
      joined_on date not null,
      left_on date,
      left_reason text,
      version integer not null default 1,
      kana_key text collate "C" not null default '',
      kanji_key text collate "C" not null default '',
      family_kana_key text collate "C" not null default '',
      family_kanji_key text collate "C" not null default '',
      phone_key text collate "C" not null default '')
    """,
    "create index member_household on member (household_id)",
    # The keys of "同じ世帯かもしれません": only people who still live there, only rows that have the key.
    "create index member_kana on member (kana_key) where left_on is null and kana_key <> ''",
    "create index member_kana_end on member (reverse(kana_key)) where left_on is null and kana_key <> ''",
    "create index member_kanji on member (kanji_key) where left_on is null and kanji_key <> ''",
    "create index member_phone on member (phone_key) where left_on is null and phone_key <> ''",
    "create index member_birth on member (birth) where left_on is null and birth is not null",
    """
    create table not_same_household (
      household_id uuid not null references household,
      other_id uuid not null references household,
      decided_at timestamptz not null,
      decided_by text not null,
      primary key (household_id, other_id),
      check (household_id < other_id))
    """,
    "create table receipt_counter (fiscal_year smallint primary key, last integer not null)",
    """
    create table consultation (
      id uuid primary key,
      receipt_no text not null unique,
      form_key uuid not null unique,
      form_hash text not null,
      household_id uuid not null references household,
      subject_id uuid not null references member,
      received_at timestamptz not null,
      received_on date not null,
      received_by text not null,
      received_by_name text not null,
      route text not null,
      visitor_name text not null default '',
      visitor_relation text not null default '',
      visitor_phone text not null default '',
      text text not null,
      topics text[] not null,
      main_topic text,
      urgency text not null,
      consent text not null,
      supports text[] not null default '{}',
      withdrawn text,
      withdrawn_note text not null default '',
      version integer not null default 1,
      changed_at timestamptz,
      changed_by text,
      changed_by_name text)
    """,
    "create index consultation_day on consultation (received_on, received_at)",
    "create index consultation_by on consultation (received_by, received_at)",
    "create index consultation_household on consultation (household_id, received_at)",
    """
    create table consultation_history (
      consultation_id uuid not null references consultation,
      version integer not null,
      replaced_at timestamptz not null,
      written_by_name text not null,
      text text not null,
      topics text[] not null,
      main_topic text,
      urgency text not null,
      consent text not null,
      supports text[] not null,
      primary key (consultation_id, version))
    """,
    """
    create table fact (
      id uuid primary key,
      consultation_id uuid references consultation,
      household_id uuid not null references household,
      member_id uuid references member,
      kind text not null,
      value text not null,
      as_of date not null,
      retracted_at timestamptz)
    """,
    "create index fact_household on fact (household_id)",
    "create index fact_consultation on fact (consultation_id)",
    # Referrals we made, and those the domains made among themselves: both are grounds for a disclosure.
    """
    create table referral (
      id uuid primary key,
      household_id uuid not null,
      consultation_id uuid references consultation,
      from_unit text not null,
      to_unit text not null,
      legal_basis text not null,
      urgency text not null,
      made_on date not null,
      reply_due date not null,
      status text not null default 'made',
      answered_on date,
      decline_reason text)
    """,
    "create index referral_consultation on referral (consultation_id)",
    # 窓口ごとに届く道が違うので、返事がつなぎより先に届くことがある。つなぎが届くまで、返事をした窓口ごとに、ここで待つ。
    """
    create table early_answer (
      referral_id uuid not null,
      source text not null,
      status text not null,
      answered_on date not null,
      decline_reason text,
      primary key (referral_id, source))
    """,
    "create index referral_household on referral (household_id, to_unit)",
    """
    create table draft (
      form_key uuid primary key,
      owner text not null,
      content jsonb not null,
      started_at timestamptz not null,
      saved_at timestamptz not null)
    """,
    "create index draft_owner on draft (owner, saved_at)",
    """
    create table disclosure (
      id uuid primary key,
      at timestamptz not null,
      asker text not null,
      household_id uuid not null,
      purpose text not null,
      legal_basis text not null,
      referral_id uuid,
      refused text,
      member_ids uuid[] not null default '{}')
    """,
    "create index disclosure_household on disclosure (household_id, at)",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
