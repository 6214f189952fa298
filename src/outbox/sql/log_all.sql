SELECT log.id, device.device_id, log.log_id, log.era, log.synthetic, log.cursor, log.adrift
FROM log JOIN device ON device.id = log.device
ORDER BY log.id
