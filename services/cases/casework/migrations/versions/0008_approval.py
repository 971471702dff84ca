"""What waits for a supervisor's approval (個情法69条2項4号): as it was typed, until somebody else decides. No event carries any of it before."""

from alembic import op

revision = "casework_0008"
down_revision = "casework_0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table approval (
      request_id uuid primary key,
      household_id uuid not null,
      case_id uuid not null references case_file,
      kind text not null,
      entry jsonb not null,
      why_not_asked text not null,
      asked_at timestamptz not null,
      by_sub text not null,
      by_name text not null,
      state text not null,
      settled_at timestamptz,
      settled_by text,
      settled_by_name text,
      reason text,
      words text not null default '')
    """,
    "create index approval_case on approval (case_id)",
    "create index approval_waiting on approval (asked_at) where state = 'waiting'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
