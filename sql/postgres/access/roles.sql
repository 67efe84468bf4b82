-- Four roles for Hadrian's tables, and what each may do. It can be run again, after an upgrade too.
-- A role that reads a feed from the log needs the attribute REPLICATION, which no membership gives: alter role ... replication.

-- Roles belong to the whole cluster, so another database may have made them.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['hadrian_reader', 'hadrian_trainer', 'hadrian_watcher', 'hadrian_admin'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception when duplicate_object then
      null;
    end;
  end loop;
end $$;

grant usage on schema hadrian to hadrian_reader, hadrian_trainer, hadrian_watcher, hadrian_admin;

-- Reads feeds, checkpoints and libraries, and writes nothing.
grant select on all tables in schema hadrian to hadrian_reader, hadrian_trainer, hadrian_watcher, hadrian_admin;

-- Trains: adds chunks, artifacts, checkpoints and steps, says what is consumed, and deletes nothing.
grant insert on
  hadrian.chunk, hadrian.chunk_key, hadrian.artifact, hadrian.artifact_chunk, hadrian.run, hadrian.checkpoint, hadrian.step
  to hadrian_trainer;
grant update (passed_lsn, passed_timeline, committed_lsn) on hadrian.checkpoint to hadrian_trainer;
grant update (created_at) on hadrian.chunk to hadrian_trainer;
grant update (confirmed) on hadrian.journal to hadrian_trainer;

-- Watches a pair: records what was compared, and forgets what is old. What it compares, it reads as pg_monitor and by SELECT.
grant insert, delete on hadrian.verification, hadrian.verified to hadrian_watcher;

-- Creates and drops feeds, tags, promotes, prunes, collects and sets quotas.
grant insert, update, delete on all tables in schema hadrian to hadrian_admin;
grant create on schema hadrian to hadrian_admin;

-- What the one who runs this makes there later can be read too.
alter default privileges in schema hadrian grant select on tables
  to hadrian_reader, hadrian_trainer, hadrian_watcher, hadrian_admin;
