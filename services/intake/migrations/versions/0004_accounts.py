"""Accounts seen at the sign-in: what the managers' review of accounts shows."""

from alembic import op

revision = "intake_0004"
down_revision = "intake_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table account (
          sub text primary key,
          name text not null,
          team text not null,
          roles text[] not null,
          domains text[] not null,
          valid_to date,
          first_signed_in_at timestamptz not null,
          last_signed_in_at timestamptz not null)
        """
    )
