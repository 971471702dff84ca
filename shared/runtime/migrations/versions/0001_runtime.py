"""audit (append-only) and announced_unit: what every unit keeps besides its own trade."""

from alembic import op

revision = "runtime_0001"
down_revision = None
branch_labels = ("runtime",)
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table audit (
          id bigint generated always as identity primary key,
          at timestamptz not null,
          actor text not null,
          roles text[] not null default '{}',
          action text not null,
          object_kind text not null,
          object_id text not null,
          household_id uuid,
          purpose text,
          legal_basis text,
          trace_id text)
        """
    )
    op.execute("create index audit_household on audit (household_id, at) where household_id is not null")
    op.execute(
        """
        create function audit_is_append_only() returns trigger language plpgsql as
        $$ begin raise exception 'audit is append-only'; end $$
        """
    )
    op.execute(
        """
        create trigger audit_append_only before update or delete or truncate on audit
        for each statement execute function audit_is_append_only()
        """
    )
    op.execute(
        """
        create table announced_unit (
          unit text primary key,
          title text not null,
          base text not null,
          welfare_domain text,
          accepts_referrals boolean not null,
          navigation jsonb not null,
          version text not null,
          announced_at timestamptz not null)
        """
    )
