"""Sessions that are over before their time: one by its sid, or all that an account began before a moment."""

from alembic import op

revision = "runtime_0003"
down_revision = "runtime_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table revoked_session (
          staff text not null,
          sid uuid,
          before timestamptz not null,
          heard_at timestamptz not null default now(),
          unique nulls not distinct (staff, sid))
        """
    )
