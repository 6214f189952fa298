SELECT dead.*, device.device_id
FROM dead JOIN log ON log.id = dead.log JOIN device ON device.id = log.device
WHERE (?2 IS NULL OR dead.id = ?2) AND dead.at_us >= ?3
ORDER BY dead.id DESC LIMIT ?1
