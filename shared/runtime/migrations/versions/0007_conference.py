"""Who attends which conference about which household, and until when that gives sight of it, as every unit heard it from the center."""

from alembic import op

revision = "runtime_0007"
down_revision = "runtime_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table conference (
          conference_id uuid primary key,
          household_id uuid not null,
          forum text not null,
          units text[] not null,
          staff text[] not null,
          convened_on date not null,
          ends_on date not null,
          readable_until date not null,
          closed_on date)
        """
    )
    op.execute("create index conference_of on conference (household_id, convened_on)")
