-- Four roles for Hadrian's tables, and what each may do. SECADM creates roles; leave out what is there already.
-- Source: IBM Db2 11.5 documentation, "CREATE ROLE statement", "GRANT (schema privileges and authorities) statement".
create role hadrian_reader;
create role hadrian_trainer;
create role hadrian_watcher;
create role hadrian_admin;

-- Reads feeds, checkpoints and libraries, and writes nothing.
grant selectin on schema hadrian to role hadrian_reader;
grant selectin on schema hadrian to role hadrian_trainer;
grant selectin on schema hadrian to role hadrian_watcher;
grant selectin on schema hadrian to role hadrian_admin;

-- Trains: adds chunks, artifacts, checkpoints and steps, says what is consumed, and deletes nothing.
grant insert on hadrian.chunk to role hadrian_trainer;
grant insert on hadrian.chunk_piece to role hadrian_trainer;
grant insert on hadrian.chunk_key to role hadrian_trainer;
grant insert on hadrian.artifact to role hadrian_trainer;
grant insert on hadrian.manifest_piece to role hadrian_trainer;
grant insert on hadrian.artifact_chunk to role hadrian_trainer;
grant insert on hadrian.run to role hadrian_trainer;
grant insert on hadrian.checkpoint to role hadrian_trainer;
grant insert on hadrian.step to role hadrian_trainer;
grant update (passed_lsn, passed_timeline, committed_lsn) on hadrian.checkpoint to role hadrian_trainer;
grant update (created_at) on hadrian.chunk to role hadrian_trainer;
grant update (confirmed) on hadrian.journal to role hadrian_trainer;

-- Of a restrictive database a trainer also wants EXECUTE on SYSPROC.MON_GET_TABLESPACE and SYSPROC.MON_GET_HADR.

-- Watches a pair: records what was compared, and forgets what is old.
grant insert, delete on hadrian.verification to role hadrian_watcher;
grant insert, delete on hadrian.verified to role hadrian_watcher;

-- Creates and drops feeds, tags, promotes, prunes, collects and sets quotas.
grant insertin, updatein, deletein, createin on schema hadrian to role hadrian_admin;
