"""Until when a consent holds; about whom each question for the names was answered."""

from alembic import op

revision = "outreach_0002_withdrawal"
down_revision = "outreach_0001"
branch_labels = None
depends_on = None

STATEMENTS = [
    "alter table consent add column until date",
    "create index consent_ends on consent (until) where state = 'given' and until is not null",
    "alter table disclosure add column member_ids uuid[] not null default '{}'",
    """
    update disclosure d set member_ids = array(select i.member_id from identity i where i.household_id = d.household_id order by i.member_id)
    where d.state = 'received'
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
