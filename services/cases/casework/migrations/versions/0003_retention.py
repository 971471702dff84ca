"""Cases of an erased household that a law keeps: until when, decided while it was still known who lives there."""

from alembic import op

revision = "casework_0003"
down_revision = "casework_0002_withdrawal"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table kept_case (
          case_id uuid primary key references case_file on delete cascade,
          household_id uuid not null,
          record_class text not null,
          due_on date not null)
        """
    )
