DELETE FROM firmware_trust WHERE device_id = ?1 AND ?2 > 0
