-- A database beside this one.
create database m43_other;
comment on database m43_other is 'for reports';
alter database m43_other set work_mem = '8MB';
alter database m43_other rename to m43_reports;
create database m43_brief strategy = file_copy;
drop database m43_brief;
