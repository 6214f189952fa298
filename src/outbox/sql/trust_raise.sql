INSERT INTO firmware_trust (device_id, level, sequence, security_counter, latest_us) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET
    level = max(level, excluded.level),
    sequence = max(sequence, excluded.sequence),
    security_counter = max(security_counter, excluded.security_counter),
    latest_us = max(latest_us, excluded.latest_us)
