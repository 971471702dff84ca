"""The conference a fact was told in: its members read it for the conference's time, and nobody of another one does."""

from alembic import op

revision = "casework_0004"
down_revision = "casework_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table fact add column conference_id uuid")
