DELETE FROM upload_cursor WHERE log = ?1 AND (sink, kind) IN (SELECT sink, kind FROM upload_cursor WHERE log = ?1 LIMIT ?2)
