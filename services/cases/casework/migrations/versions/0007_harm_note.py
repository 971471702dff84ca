"""Why telling was held to harm nobody (個情法69条2項ただし書き), in the words of whoever checked: stays in the unit, no event carries it."""

from alembic import op

revision = "casework_0007"
down_revision = "casework_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("fact", "referral"):
        op.execute(f"alter table {table} add column harm_note text not null default ''")
