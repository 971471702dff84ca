"""How many alerts there were, when the alerts themselves are gone."""

from alembic import op

revision = "notify_0002"
down_revision = "notify_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table alert_counted (
          fiscal_year smallint not null,
          rule_id text not null,
          severity text not null,
          state text not null,
          alerts integer not null,
          primary key (fiscal_year, rule_id, severity, state))
        """
    )
    op.execute("create index alert_unconfirmed on alert (raised_at) where state = 'raised'")
