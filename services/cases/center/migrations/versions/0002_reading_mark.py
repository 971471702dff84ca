"""What a supervisor found out about an unusual reading: every mark is a row of its own, the last one holds."""

from alembic import op

revision = "center_0002"
down_revision = "center_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table reading_mark (
          month text not null,
          unit text not null,
          actor text not null,
          household_id uuid not null,
          nth integer not null,
          outcome text not null,
          reason text,
          marked_at timestamptz not null,
          marked_by text not null,
          primary key (month, unit, actor, household_id, nth))
        """
    )
