-- A sink that has a cursor is known even if nobody wrote it down.
SELECT name, since_us FROM sink
UNION ALL
SELECT DISTINCT sink, NULL FROM upload_cursor WHERE sink NOT IN (SELECT name FROM sink)
