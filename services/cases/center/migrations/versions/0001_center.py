"""Drafts of conferences: one open draft per household."""

from alembic import op

revision = "center_0001"
down_revision = None
branch_labels = ("center",)
depends_on = None

STATEMENTS = [
    """
    create table conference_draft (
      conference_id uuid primary key,
      household_id uuid not null,
      state text not null,
      forum text not null,
      lane text not null,
      reasons jsonb not null,
      due timestamptz not null,
      created_at timestamptz not null,
      updated_at timestamptz not null)
    """,
    "create unique index conference_draft_open on conference_draft (household_id) where state = 'draft'",
    "create index conference_draft_due on conference_draft (due) where state = 'draft'",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
