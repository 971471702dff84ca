"""The audit says more (what was returned, from where, how it was decided) and is sealed in blocks that hang together."""

revision = "runtime_0004"
down_revision = "runtime_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
