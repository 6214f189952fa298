INSERT INTO firmware_update (device_id, file_sha256, image_sha256, size, to_version, asked_by, step, asked_us, allow_downgrade)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'offered', ?7, ?8)
RETURNING id
