"""Watches and their check-ins, referrals to this desk, what was heard of households and alerts, the copy of the identity."""

from alembic import op

revision = "outreach_0001"
down_revision = None
branch_labels = ("outreach",)
depends_on = None

STATEMENTS = [
    "create table household (household_id uuid primary key, area text not null)",
    # No foreign keys to household: events of different sources may arrive in any order.
    """
    create table member (
      household_id uuid not null,
      member_id uuid not null,
      role text not null,
      birth_month text,
      left_on date,
      left_reason text,
      primary key (household_id, member_id))
    """,
    """
    create table referral (
      id uuid primary key,
      household_id uuid not null,
      from_unit text not null,
      member_ids uuid[] not null,
      urgency text not null,
      legal_basis text not null,
      made_on date not null,
      reply_due date not null,
      receipt_no text,
      state text not null)
    """,
    "create index referral_waiting on referral (reply_due) where state in ('received', 'held')",
    """
    create table watch (
      id uuid primary key,
      household_id uuid not null,
      member_id uuid,
      tier text not null,
      next_due timestamptz not null,
      planned_on date not null,
      legal_basis text not null,
      referral_id uuid,
      last_outcome text,
      last_at timestamptz,
      confirmed_at timestamptz,
      away_until date,
      ended_on date,
      end_reason text,
      version int not null)
    """,
    "create index watch_due on watch (next_due) where ended_on is null",
    "create index watch_household on watch (household_id)",
    """
    create table check_in (
      id uuid primary key,
      watch_id uuid not null references watch (id),
      outcome text not null,
      at timestamptz not null,
      away_until date,
      memo text not null default '',
      recorded_at timestamptz not null,
      by_sub text not null,
      by_name text not null)
    """,
    "create index check_in_watch on check_in (watch_id, at desc)",
    """
    create table alert (
      id uuid primary key,
      household_id uuid not null,
      rule_id text not null,
      severity text not null,
      state text not null)
    """,
    "create index alert_household on alert (household_id)",
    """
    create table disclosure (
      household_id uuid primary key,
      state text not null,
      asked_at timestamptz not null,
      refused text,
      address text)
    """,
    """
    create table identity (
      household_id uuid not null,
      member_id uuid not null,
      name text not null,
      kana text not null,
      phone text,
      primary key (household_id, member_id))
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
