INSERT INTO device (device_id) VALUES (?1) ON CONFLICT (device_id) DO NOTHING
