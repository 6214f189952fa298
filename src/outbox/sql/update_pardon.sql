DELETE FROM firmware_refused WHERE device_id = ?1 AND file_sha256 = ?2
