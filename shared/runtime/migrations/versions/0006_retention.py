"""Households that were erased (nothing about them comes in any more) and those whose records must not go."""

from alembic import op

revision = "runtime_0006"
down_revision = "runtime_0005_receipts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table erased_household (
          household_id uuid primary key,
          erasure_id uuid not null,
          erased_on date not null,
          removed integer not null default 0,
          kept_under text[] not null default '{}',
          kept_until date)
        """
    )
    op.execute(
        """
        create table legal_hold (
          hold_id uuid primary key,
          household_id uuid not null,
          reason text not null,
          placed_on date not null,
          placed_by text,
          lifted_on date,
          lifted_by text)
        """
    )
    op.execute("create index legal_hold_standing on legal_hold (household_id) where lifted_on is null")
