INSERT INTO session (log, device, started_us)
SELECT ?2, id, ?3 FROM device WHERE device_id = ?1
RETURNING id
