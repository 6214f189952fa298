SELECT quarantine.*, device.device_id
FROM quarantine JOIN log ON log.id = quarantine.log JOIN device ON device.id = log.device
WHERE (?2 IS NULL OR quarantine.id = ?2) AND (quarantine.released_us IS NULL OR quarantine.released_us >= ?3)
ORDER BY quarantine.id DESC LIMIT ?1
