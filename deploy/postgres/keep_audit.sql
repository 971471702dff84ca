-- 監査の表（audit, audit_seal）を、書いた本人にも直せないものにする。どのデータベースでも、移行のあとに毎回。何度でもよい。
-- Makes the audit a thing that even the unit which writes it can only add to. After every migration, in every unit's database, by the
-- administrator (CREATEROLE and CREATEDB are enough, a superuser is not needed):
--
--     psql -v ON_ERROR_STOP=1 -d intake -f deploy/postgres/keep_audit.sql
--
-- The tables, the schema (whose owner may drop any table in it) and the database (whose owner may drop it) go to the role tsunagari_auditor,
-- as which nobody can sign in. The unit's role, which is known as the owner of alembic_version, keeps what it needs for its own tables.
do $keep$
declare
  auditor constant text := 'tsunagari_auditor';
  unit text := (select tableowner from pg_tables where schemaname = 'public' and tablename = 'alembic_version');
  said bigint;
  ahead bigint;
begin
  if unit is null or to_regclass('public.audit_seal') is null then
    return;  -- not migrated yet, or a unit without an audit
  end if;
  if not exists (select from pg_roles where rolname = auditor) then
    begin
      execute format('create role %I nologin', auditor);
    exception when duplicate_object or unique_violation then null;  -- another database was kept at the same moment
    end;
  end if;
  if not (select rolsuper from pg_roles where rolname = current_user) and not pg_has_role(current_user, auditor, 'SET') then
    execute format('grant %I to current_user with inherit true, set true', auditor);
  end if;

  -- Grants come after the change of owner: with it, what the former owner was granted becomes the new owner's.
  execute format('alter schema public owner to %I', auditor);
  execute format('grant usage, create on schema public to %I', unit);
  execute format('alter database %I owner to %I', current_database(), auditor);
  execute format('grant connect, create, temporary on database %I to %I', current_database(), unit);
  execute format('alter table audit owner to %I', auditor);
  execute format('alter table audit_seal owner to %I', auditor);
  execute format('alter function audit_is_append_only() owner to %I', auditor);
  execute format('alter function audit_place() owner to %I', auditor);
  execute format('alter function audit_horizon() owner to %I', auditor);

  -- Only these columns are the writer's to say. id, place and the two clocks are the database's.
  execute format('revoke all on audit, audit_seal, audit_id_seq from %I, public', unit);
  execute format('grant select on audit, audit_seal, audit_id_seq to %I', unit);
  execute format('grant insert (at, actor, roles, action, object_kind, object_id, household_id, purpose, legal_basis, trace_id, households,'
    ' returned, decision, sid, terminal) on audit to %I', unit);
  execute format('grant insert (n, from_place, to_place, rows, hash, prev_hash) on audit_seal to %I', unit);

  -- A logical restore brings rows whose places are ahead of this cluster's transactions: places go on after them.
  said := greatest((select coalesce(max(place), 0) from audit), (select coalesce(max(to_place), 0) from audit_seal));
  if said > audit_place() then
    ahead := said - pg_current_xact_id()::text::bigint + 1;
    execute format('create or replace function audit_place() returns bigint language sql stable as '
      '$$ select pg_current_xact_id()::text::bigint + %s $$', ahead);
    execute format('create or replace function audit_horizon() returns bigint language sql stable as '
      '$$ select pg_snapshot_xmin(pg_current_snapshot())::text::bigint + %s $$', ahead);
  end if;
end
$keep$;
