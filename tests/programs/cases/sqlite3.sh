# needs: sqlite3
sqlite3 a.db "pragma journal_mode=wal; create table t(a,b); begin;
with recursive n(i) as (select 1 union all select i+1 from n where i<20000) insert into t select i, i*i from n; commit;
create index x on t(b); select sum(a), count(*) from t; pragma integrity_check;"
sqlite3 a.db "pragma threads=4; select b from t order by -b limit 3; select * from nothing;"
