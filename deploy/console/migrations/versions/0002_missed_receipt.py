"""missed_receipt: which desk has not answered which withdrawal of consent, as intake says it. Numbers only."""

from alembic import op

revision = "console_0002"
down_revision = "console_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table missed_receipt (
          withdrawal_id uuid not null,
          unit text not null,
          household_id uuid not null,
          since timestamptz not null,
          primary key (withdrawal_id, unit))
        """
    )
