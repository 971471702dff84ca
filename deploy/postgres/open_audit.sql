-- 監査の表の形を変える移行（runtime_…）の前にだけ: 表をユニットのロールへ戻す。ユニットを止めてから。移行がすんだら、すぐ keep_audit.sql を。
-- Only before a migration that changes the audit's own shape (revisions runtime_…): gives the tables back to the unit's role while it migrates.
-- Stop the unit first, and run keep_audit.sql as soon as the migration is through. What was written meanwhile is told by `tsunagari audit verify`.
do $open$
declare
  unit text := (select tableowner from pg_tables where schemaname = 'public' and tablename = 'alembic_version');
begin
  if unit is null or to_regclass('public.audit') is null then
    return;
  end if;
  execute format('alter table audit owner to %I', unit);
  if to_regclass('public.audit_seal') is not null then
    execute format('alter table audit_seal owner to %I', unit);
    execute format('alter function audit_is_append_only() owner to %I', unit);
    execute format('alter function audit_place() owner to %I', unit);
    execute format('alter function audit_horizon() owner to %I', unit);
  end if;
end
$open$;
