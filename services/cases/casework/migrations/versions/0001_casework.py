"""Cases, referrals, facts, notes; what was heard of households and other desks; the copy of the identity."""

from alembic import op

revision = "casework_0001"
down_revision = None
branch_labels = ("casework",)
depends_on = None

STATEMENTS = [
    """
    create table household (
      household_id uuid primary key,
      area text not null)
    """,
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
      to_unit text not null,
      consultation_id uuid,
      receipt_no text,
      member_ids uuid[] not null,
      topics text[] not null,
      urgency text not null,
      consent text not null,
      legal_basis text not null,
      made_on date not null,
      reply_due date not null,
      state text not null,
      answered_by text,
      answered_by_name text,
      answered_on date,
      decline_reason text,
      case_id uuid,
      version int not null)
    """,
    "create index referral_household on referral (household_id)",
    "create index referral_waiting on referral (to_unit, reply_due) where state in ('received', 'held')",
    "create index referral_consultation on referral (consultation_id) where consultation_id is not null",
    """
    create table case_file (
      case_id uuid primary key,
      household_id uuid not null,
      referral_id uuid,
      state text not null,
      member_ids uuid[] not null,
      consent text not null,
      legal_basis text not null,
      urgency text not null,
      topics text[] not null,
      caseworker text not null,
      caseworker_name text not null,
      opened_on date not null,
      next_due date,
      next_action text not null,
      last_contact_on date,
      suspend_reason text,
      close_reason text,
      closed_on date,
      version int not null,
      updated_at timestamptz not null,
      updated_by_name text not null)
    """,
    # One open case per household and desk: a second referral joins it.
    "create unique index case_file_open on case_file (household_id) where state <> 'CLOSED'",
    "create index case_file_household on case_file (household_id)",
    "create index case_file_due on case_file (next_due) where state <> 'CLOSED'",
    "create index case_file_worker on case_file (caseworker) where state <> 'CLOSED'",
    """
    create table case_step (
      id bigint generated always as identity primary key,
      case_id uuid not null references case_file,
      at timestamptz not null,
      state text not null,
      reason text,
      by_sub text not null,
      by_name text not null)
    """,
    "create index case_step_case on case_step (case_id, id)",
    """
    create table fact (
      fact_id uuid primary key,
      household_id uuid not null,
      case_id uuid not null references case_file,
      member_id uuid,
      kind text not null,
      value text not null,
      since text,
      as_of date not null,
      confidence text not null,
      legal_basis text not null,
      evidence text not null,
      supersedes uuid,
      retracted_on date,
      is_current boolean not null,
      recorded_at timestamptz not null,
      by_sub text not null,
      by_name text not null)
    """,
    "create index fact_household on fact (household_id, recorded_at)",
    """
    create table note (
      note_id uuid primary key,
      case_id uuid not null references case_file,
      happened_on date not null,
      method text not null,
      partner text not null,
      shared text not null,
      private text not null,
      minutes int,
      next_action text not null,
      next_due date,
      corrects uuid unique references note,
      written_at timestamptz not null,
      by_sub text not null,
      by_name text not null)
    """,
    "create index note_case on note (case_id, happened_on desc, written_at desc)",
    """
    create function note_is_append_only() returns trigger language plpgsql as
    $$ begin raise exception 'a note is corrected by a new one, never changed'; end $$
    """,
    "create trigger note_append_only before update on note for each row execute function note_is_append_only()",
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
      referral_id uuid primary key,
      household_id uuid not null,
      state text not null,
      asked_at timestamptz not null,
      answered_at timestamptz,
      disclosure_id uuid,
      refused text,
      address text,
      consultation_text text,
      receipt_no text)
    """,
    "create index disclosure_household on disclosure (household_id)",
    """
    create table identity (
      household_id uuid not null,
      member_id uuid not null,
      role text not null,
      name text not null,
      kana text not null,
      birth date,
      sex text,
      phone text,
      disclosed_at timestamptz not null,
      primary key (household_id, member_id))
    """,
    """
    create table involvement (
      trace_id uuid primary key,
      household_id uuid not null,
      unit text not null,
      kind text not null,
      since date,
      until date,
      consultation_id uuid)
    """,
    "create index involvement_household on involvement (household_id) where until is null",
    "create index involvement_consultation on involvement (consultation_id) where until is null and consultation_id is not null",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
