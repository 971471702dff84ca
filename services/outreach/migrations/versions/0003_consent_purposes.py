"""The purposes of a consent (consent_uses.yaml says what each use of it needs).

Null is a word that was heard without purposes. Rows from before stay null: until now a consent stood here for whatever this desk does, so no
standing consent is lost by the upgrade. A newer word of the same person replaces the row, with its purposes.
"""

from alembic import op

revision = "outreach_0003_purposes"
down_revision = "outreach_0002_withdrawal"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table consent add column purposes text[]")
