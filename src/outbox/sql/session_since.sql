SELECT session.*, device.device_id
FROM session JOIN device ON device.id = session.device
WHERE session.started_us >= ?1 AND (?2 IS NULL OR device.device_id = ?2)
ORDER BY session.id DESC LIMIT ?3
