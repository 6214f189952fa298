INSERT INTO firmware_refused (device_id, file_sha256, why, at_us) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO UPDATE SET why = excluded.why, at_us = excluded.at_us
