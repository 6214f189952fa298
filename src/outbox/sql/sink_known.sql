-- A sink that has a cursor is known even if nobody wrote it down.
SELECT name FROM sink
UNION ALL
SELECT DISTINCT sink FROM upload_cursor WHERE sink NOT IN (SELECT name FROM sink)
