"""What rights are judged by, as every unit heard it from intake: protections, conflicts of interest, break-glass."""

from alembic import op

revision = "runtime_0002"
down_revision = "runtime_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table protection (
          protection_id uuid primary key,
          household_id uuid not null,
          member_id uuid not null,
          kind text not null,
          since date not null,
          expires_on date,
          lifted_on date)
        """
    )
    op.execute("create index protection_standing on protection (household_id) where lifted_on is null")
    op.execute(
        """
        create table conflict (
          conflict_id uuid primary key,
          household_id uuid not null,
          staff text not null,
          kind text not null,
          cleared_on date)
        """
    )
    op.execute("create index conflict_standing on conflict (staff, household_id) where cleared_on is null")
    op.execute(
        """
        create table break_glass (
          access_id uuid primary key,
          household_id uuid not null,
          staff text not null,
          second text,
          reason text not null,
          opened_at timestamptz not null,
          until timestamptz not null,
          reviewed_at timestamptz,
          reviewed_by text,
          verdict text)
        """
    )
    op.execute("create index break_glass_of on break_glass (staff, household_id, until)")
