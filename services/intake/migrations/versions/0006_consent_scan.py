"""The signed paper of a consent, page by page. `consent_paper`, which held one file a consent and was never written, goes."""

from alembic import op

revision = "intake_0006"
down_revision = "intake_0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    # ファイル名は持たない: 人の名前が入っていることが多い。ほかの窓口には渡さない。
    """
    create table consent_scan (
      id uuid primary key,
      consent_id uuid not null references consent on delete cascade,
      household_id uuid not null,
      member_id uuid not null,
      media_type text not null,
      content bytea not null,
      sha256 text not null,
      bytes integer not null,
      added_at timestamptz not null,
      added_by text not null,
      added_by_name text not null,
      unique (consent_id, sha256))
    """,
    # スキャンは圧縮ずみ: もう一度縮めても小さくならず、時間だけかかる
    "alter table consent_scan alter column content set storage external",
    "create index consent_scan_household on consent_scan (household_id, added_at)",
    "drop table consent_paper",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
