"""What notify knows of a household, the alerts, and the numbered changes that live pages follow."""

from alembic import op

revision = "notify_0001"
down_revision = None
branch_labels = ("notify",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table household (
          household_id uuid primary key,
          area text not null default 'UNKNOWN',
          facts jsonb not null,
          heard_at timestamptz not null,
          late_at timestamptz)
        """
    )
    op.execute("create index household_late on household (late_at) where late_at is not null")
    op.execute(
        """
        create table alert (
          id uuid primary key,
          household_id uuid not null,
          rule_id text not null,
          version int not null,
          state text not null,
          is_open boolean not null,
          severity text not null,
          to_unit text not null,
          raised_at timestamptz not null,
          due timestamptz not null,
          closed_at timestamptz,
          body jsonb not null,
          correlation_id uuid,
          traceparent text,
          unique (household_id, rule_id, version))
        """
    )
    op.execute("create unique index alert_once on alert (household_id, rule_id) where is_open")
    op.execute("create index alert_inbox on alert (severity, due) where is_open")
    op.execute("create index alert_closed on alert (closed_at desc) where not is_open")
    op.execute("create sequence inbox_number")
    op.execute(
        """
        create table inbox_change (
          id bigint generated always as identity primary key,
          alert_id uuid not null,
          announce boolean not null,
          at timestamptz not null,
          number bigint unique)
        """
    )
    op.execute("create index inbox_unnumbered on inbox_change (id) where number is null")
