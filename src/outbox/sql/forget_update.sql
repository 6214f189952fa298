DELETE FROM firmware_update WHERE id IN (SELECT id FROM firmware_update WHERE device_id = ?1 LIMIT ?2)
