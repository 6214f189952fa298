SELECT gap.*, device.device_id
FROM gap JOIN log ON log.id = gap.log JOIN device ON device.id = log.device
WHERE (?2 IS NULL OR gap.id = ?2) AND gap.at_us >= ?3
ORDER BY gap.id DESC LIMIT ?1
