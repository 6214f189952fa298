SELECT batch.*, device.device_id
FROM batch JOIN log ON log.id = batch.log JOIN device ON device.id = log.device
WHERE (?2 IS NULL OR batch.id = ?2) AND batch.created_us >= ?3
ORDER BY batch.id DESC LIMIT ?1
