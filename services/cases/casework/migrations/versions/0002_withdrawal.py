"""Until when and for whom a consent holds; on what ground, and about whom, each question for the names was answered; the check for harm."""

from alembic import op

revision = "casework_0002_withdrawal"
down_revision = "casework_0001"
branch_labels = None
depends_on = None

STATEMENTS = [
    "alter table consent add column until date, add column recipients text[]",
    "create index consent_ends on consent (until) where state = 'given' and until is not null",
    "alter table disclosure add column legal_basis text, add column member_ids uuid[] not null default '{}'",
    "update disclosure d set legal_basis = coalesce((select r.legal_basis from referral r where r.referral_id = d.referral_id), 'CONSENT')",
    """
    update disclosure d set member_ids = array(select i.member_id from identity i where i.household_id = d.household_id order by i.member_id)
    where d.state = 'received'
    """,
    "alter table disclosure alter column legal_basis set not null",
    "alter table fact add column harm_checked boolean not null default false",
    "alter table referral add column harm_checked boolean not null default false",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
