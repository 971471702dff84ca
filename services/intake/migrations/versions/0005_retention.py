"""Erasure: who still works with a household, what was erased and who answered, the leads somebody looked at, the counts that stay."""

from alembic import op

revision = "intake_0005"
down_revision = "intake_0004"
branch_labels = None
depends_on = None

TABLES = (
    # ケースと見守りが、どの窓口で、いつまで続いたか。消してよいかを、これで見る。
    """
    create table involved (
      trace_id uuid primary key,
      household_id uuid not null,
      unit text not null,
      kind text not null,
      since date,
      until date)
    """,
    "create index involved_household on involved (household_id)",
    """
    create table erasure (
      id uuid primary key,
      household_id uuid not null unique,
      reason text not null,
      erased_on date not null,
      decided_at timestamptz not null,
      decided_by text not null,
      removed integer not null)
    """,
    "create index erasure_recent on erasure (decided_at desc)",
    # 知らせた窓口ごとに一行。返事が届くまで done_on は空。
    """
    create table erasure_receipt (
      erasure_id uuid not null references erasure,
      unit text not null,
      removed integer not null default 0,
      kept_under text[] not null default '{}',
      kept_until date,
      done_on date,
      primary key (erasure_id, unit))
    """,
    # 消えた受付の数。だれのものかは分からない。
    """
    create table consultation_counted (
      fiscal_year smallint not null,
      route text not null,
      main_topic text not null,
      urgency text not null,
      consultations integer not null,
      primary key (fiscal_year, route, main_topic, urgency))
    """,
    """
    create table lead_review (
      consultation_id uuid primary key references consultation on delete cascade,
      reviewed_on date not null,
      reviewed_by text not null)
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
