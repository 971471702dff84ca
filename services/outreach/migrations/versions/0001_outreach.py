"""Watches and their check-ins, referrals to this desk, what was heard of households, the copy of the identity."""

from alembic import op

revision = "outreach_0001"
down_revision = None
branch_labels = ("outreach",)
depends_on = None

STATEMENTS = [
    "create table household (household_id uuid primary key, area text not null)",
    # No foreign key to household: events of different sources may arrive in any order.
    """
    create table member (
      household_id uuid not null,
      member_id uuid not null,
      role text not null,
      birth_month text,
      left_reason text,
      left_on date,
      primary key (household_id, member_id))
    """,
    """
    create table referral (
      referral_id uuid primary key,
      household_id uuid not null,
      from_unit text not null,
      member_ids uuid[] not null,
      topics text[] not null,
      urgency text not null,
      consent text not null,
      legal_basis text not null,
      made_on date not null,
      reply_due date not null,
      receipt_no text,
      state text not null,
      answered_by text,
      answered_by_name text,
      answered_on date,
      decline_reason text,
      plan_id uuid,
      consultation_id uuid,
      version int not null)
    """,
    "create index referral_waiting on referral (reply_due) where state in ('received', 'held')",
    "create index referral_household on referral (household_id)",
    "create index referral_consultation on referral (consultation_id) where consultation_id is not null",
    """
    create table watch (
      plan_id uuid primary key,
      household_id uuid not null,
      member_id uuid,
      tier text not null,
      legal_basis text not null,
      next_due timestamptz not null,
      planned_on date not null,
      last_outcome text,
      last_at timestamptz,
      confirmed_at timestamptz,
      ended_on date,
      end_reason text,
      changed_by text not null,
      changed_by_name text not null,
      changed_at timestamptz not null,
      version int not null)
    """,
    # One running watch per person (or per household as a whole): two who plan at once cannot make two.
    "create unique index watch_running on watch (household_id, member_id) nulls not distinct where ended_on is null",
    "create index watch_due on watch (next_due) where ended_on is null",
    """
    create table check_in (
      check_in_id uuid primary key,
      plan_id uuid not null references watch,
      outcome text not null,
      at timestamptz not null,
      until date,
      memo text not null,
      recorded_at timestamptz not null,
      by_sub text not null,
      by_name text not null)
    """,
    "create index check_in_watch on check_in (plan_id, at desc)",
    # One row per person: the newest word about sharing, from a fact or from the referral (`source_id`).
    """
    create table consent (
      household_id uuid not null,
      member_id uuid not null,
      state text not null,
      as_of date not null,
      said_at timestamptz not null,
      source_id uuid not null,
      primary key (household_id, member_id))
    """,
    "create index consent_source on consent (source_id)",
    """
    create table disclosure (
      question_id uuid primary key,
      household_id uuid not null,
      referral_id uuid,
      legal_basis text not null,
      state text not null,
      asked_at timestamptz not null,
      refused text,
      address text,
      consultation_text text)
    """,
    "create index disclosure_household on disclosure (household_id)",
    """
    create table identity (
      household_id uuid not null,
      member_id uuid not null,
      name text not null,
      kana text not null,
      birth date,
      phone text,
      primary key (household_id, member_id))
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
