"""Withdrawals of consent this unit has answered: the receipt is given once, however often the event comes."""

from alembic import op

revision = "runtime_0005_receipts"
down_revision = "runtime_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table withdrawal_answered (
          withdrawal_id uuid primary key,
          household_id uuid not null,
          removed integer not null,
          kept_under text[] not null,
          answered_at timestamptz not null)
        """
    )
