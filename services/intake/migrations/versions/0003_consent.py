"""Consent per person, purpose and recipient; withdrawals with their receipts; the paper a person signed."""

from alembic import op

revision = "intake_0003"
down_revision = "intake_0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table consent (
      id uuid primary key,
      household_id uuid not null,
      member_id uuid not null,
      purposes text[] not null,
      recipients text[] not null,
      excluded_items text[] not null default '{}',
      form text not null,
      given_by text not null,
      explained_by text not null default '',
      obtained_on date not null,
      valid_from date not null,
      valid_to date not null,
      said_at timestamptz not null,
      source text not null,
      recorded_by_name text not null default '')
    """,
    "create index consent_household on consent (household_id, said_at)",
    "create index consent_ends on consent (valid_to)",
    # 原紙の写し。ほかの窓口には渡さない。
    """
    create table consent_paper (
      consent_id uuid primary key references consent on delete cascade,
      media_type text not null,
      sha256 text not null,
      content bytea not null,
      added_at timestamptz not null,
      added_by_name text not null)
    """,
    """
    create table consent_withdrawal (
      id uuid primary key,
      consent_id uuid not null,
      household_id uuid not null,
      member_id uuid not null,
      recipients text[] not null,
      everyone boolean not null,
      reason text not null,
      withdrawn_on date not null,
      said_at timestamptz not null,
      source text not null,
      recorded_by_name text not null default '',
      alarmed_at timestamptz)
    """,
    "create index consent_withdrawal_household on consent_withdrawal (household_id, said_at)",
    # 知らせた相手ごとに一行。届くまで done_on は空。
    """
    create table withdrawal_receipt (
      withdrawal_id uuid not null references consent_withdrawal,
      unit text not null,
      removed integer,
      kept_under text[] not null default '{}',
      done_on date,
      primary key (withdrawal_id, unit))
    """,
    "create index withdrawal_receipt_missing on withdrawal_receipt (withdrawal_id) where done_on is null",
    # 受付（FM1）で聞いた同意。番号は知らせた事実と同じ。
    """
    insert into consent (id, household_id, member_id, purposes, recipients, form, given_by, obtained_on, valid_from, valid_to, said_at, source,
                         recorded_by_name)
    select f.id, c.household_id, c.subject_id, '{consultation,outreach}',
           array(select distinct r.to_unit from referral r where r.consultation_id = c.id), 'oral', 'self', f.as_of, f.as_of, f.as_of + 364,
           c.received_at, 'consultation', c.received_by_name
    from consultation c join fact f on f.consultation_id = c.id and f.kind = 'consent' and f.value = 'given' and f.retracted_at is null
    where c.withdrawn is null
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
