"""The audit says more (what was returned, from where, how it was decided) and is sealed in blocks that hang together.

`place` is the writing transaction's number and is never given by the writer: rows below the oldest running transaction are complete for ever,
so a block of them can be sealed and no late COMMIT slips into it. The offset in both functions is raised by deploy/postgres/keep_audit.sql
after a logical restore, where a new cluster counts its transactions from the beginning.
"""

from alembic import op

revision = "runtime_0004"
down_revision = "runtime_0003"
branch_labels = None
depends_on = None

STATEMENTS = [
    "create function audit_place() returns bigint language sql stable as $$ select pg_current_xact_id()::text::bigint + 0 $$",
    "create function audit_horizon() returns bigint language sql stable as $$ select pg_snapshot_xmin(pg_current_snapshot())::text::bigint + 0 $$",
    """
    alter table audit
      add column households uuid[] not null default '{}',
      add column returned text[] not null default '{}',
      add column decision text not null default 'allow',
      add column sid text,
      add column terminal text,
      add column recorded_at timestamptz,
      add column place bigint not null default audit_place()
    """,
    # Rows from before this migration do not know when they were written; `at` is what their transaction said.
    "alter table audit alter column recorded_at set default clock_timestamp()",
    "create index audit_households on audit using gin (households) where households <> '{}'",
    "create index audit_at on audit (at)",
    "create index audit_place on audit (place, id)",
    """
    create table audit_seal (
      n bigint primary key,
      from_place bigint not null,
      to_place bigint not null,
      rows bigint not null,
      hash bytea not null,
      prev_hash bytea not null,
      sealed_at timestamptz not null default clock_timestamp())
    """,
    """
    create trigger audit_seal_append_only before update or delete or truncate on audit_seal
    for each statement execute function audit_is_append_only()
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
