-- Tuning by SQL: the file it writes belongs to the node.
-- rehearsal: lost
alter system set work_mem = '64MB';
-- rehearsal: lost
alter system set maintenance_work_mem = '256MB';
select pg_reload_conf();
alter system set random_page_cost = 1.1;
alter system reset random_page_cost;
show work_mem;
