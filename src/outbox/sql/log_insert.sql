INSERT INTO log (device, log_id, era, synthetic, cursor, opened_us)
SELECT
    device.id,
    ?2,
    (SELECT coalesce(max(era), 0) + 1 FROM log WHERE log.device = device.id AND log.log_id = ?2),
    ?3, ?4, ?5
FROM device WHERE device.device_id = ?1
RETURNING id
