DELETE FROM upload_cursor WHERE sink = ?1
