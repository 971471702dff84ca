"""Consent per person, purpose and recipient; withdrawals with their receipts; erasure."""

revision = "intake_0003"
down_revision = "intake_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
