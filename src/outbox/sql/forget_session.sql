-- One that has ended before has no blocks any more; one that runs may still get some.
DELETE FROM session WHERE id IN (
    SELECT session.id FROM session JOIN device ON device.id = session.device
    WHERE device.device_id = ?1 AND session.outcome IS NOT NULL AND coalesce(session.ended_us, 0) <= ?2 LIMIT ?3)
