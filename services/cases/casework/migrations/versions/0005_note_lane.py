"""The conference a note tells of: its members read the note for the conference's time, and no colleague who does not attend it."""

from alembic import op

revision = "casework_0005"
down_revision = "casework_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table note add column conference_id uuid")
