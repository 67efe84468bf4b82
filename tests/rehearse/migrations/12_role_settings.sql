-- Settings that do travel: they are rows.
create role r12_report login;
alter role r12_report set statement_timeout = '5min';
alter role r12_report set search_path = reporting, public;
alter role all set idle_session_timeout = 0;
alter role r12_report reset statement_timeout;
