SELECT log.id, device.device_id, log.log_id, log.era, log.synthetic, log.cursor, log.adrift
FROM log JOIN device ON device.id = log.device
WHERE device.device_id = ?1 AND log.log_id = ?2 AND log.adrift = 0
ORDER BY log.era DESC LIMIT 1
