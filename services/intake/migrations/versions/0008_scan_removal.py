"""A scan that was added to the wrong person is taken away by two people; the row that says so stays with the consent."""

from alembic import op

revision = "intake_0008"
down_revision = "intake_0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    # 消えた写しを指すので、consent_scan への外部キーはない
    """
    create table consent_scan_removal (
      id uuid primary key,
      scan_id uuid not null,
      consent_id uuid not null references consent on delete cascade,
      household_id uuid not null,
      member_id uuid not null,
      sha256 text not null,
      reason text not null,
      state text not null,
      asked_at timestamptz not null,
      asked_by text not null,
      asked_by_name text not null,
      settled_at timestamptz,
      settled_by text,
      settled_by_name text)
    """,
    "create unique index consent_scan_removal_waiting on consent_scan_removal (scan_id) where state = 'waiting'",
    "create index consent_scan_removal_household on consent_scan_removal (household_id)",
    "create index consent_scan_removal_consent on consent_scan_removal (consent_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
