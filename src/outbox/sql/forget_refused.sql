DELETE FROM firmware_refused WHERE device_id = ?1 AND file_sha256 IN (
    SELECT file_sha256 FROM firmware_refused WHERE device_id = ?1 LIMIT ?2)
