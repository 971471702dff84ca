"""span: one row a finished step, a partition a day, so that forgetting a day is dropping a table."""

from alembic import op

revision = "console_0001"
down_revision = None
branch_labels = ("console",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table span (
          day date not null,
          trace_id text not null,
          span_id text not null,
          parent_id text,
          service text not null,
          name text not null,
          kind text not null,
          start_ns bigint not null,
          end_ns bigint not null,
          failed boolean not null,
          attributes jsonb not null,
          links text[] not null,
          receipt_no text generated always as (attributes ->> 'welfare.receipt_no') stored,
          primary key (day, trace_id, span_id)
        ) partition by range (day)
        """
    )
    op.execute("create index span_trace on span (trace_id)")
    op.execute("create index span_receipt on span (receipt_no, start_ns) where receipt_no is not null")
    op.execute("create index span_links on span using gin (links)")
