"""The town and block of a staff member's own home: nothing finer, and only to tell who read about the neighbours."""

from alembic import op

revision = "intake_0007"
down_revision = "intake_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table account add column home_town text not null default '', add column home_block text not null default ''")
