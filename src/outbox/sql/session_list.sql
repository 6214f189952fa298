SELECT session.*, device.device_id
FROM session JOIN device ON device.id = session.device
ORDER BY session.id DESC LIMIT ?1
