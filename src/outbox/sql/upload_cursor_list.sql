SELECT * FROM upload_cursor WHERE sink = ?1 ORDER BY log, kind
