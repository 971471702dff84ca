"""Protections and conflicts as intake declares them: what only this desk may keep about them."""

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
