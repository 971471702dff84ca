"""Protections, conflicts and break-glass as this desk keeps them: what no event may carry (送付先、連絡の禁止、事情)."""

from alembic import op

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table protection_note (
          protection_id uuid primary key,
          household_id uuid not null,
          send_to text not null default '',
          restrictions text[] not null default '{}',
          note text not null default '',
          declared_by text not null,
          declared_by_name text not null,
          declared_at timestamptz not null,
          confirmed_at timestamptz,
          confirmed_by_name text,
          version integer not null default 1)
        """
    )
    op.execute("create index protection_note_household on protection_note (household_id)")
    op.execute(
        """
        create table glass_request (
          access_id uuid primary key,
          household_id uuid not null,
          known boolean not null,
          staff text not null,
          staff_name text not null,
          reason text not null,
          note text not null,
          asked_at timestamptz not null,
          state text not null,
          second text,
          second_name text,
          opened_at timestamptz,
          until timestamptz,
          review_due date,
          reviewed_at timestamptz,
          reviewed_by_name text,
          verdict text,
          escalated_at timestamptz)
        """
    )
    op.execute("create index glass_request_state on glass_request (state, asked_at)")
