SELECT gap.*, device.device_id
FROM gap JOIN log ON log.id = gap.log JOIN device ON device.id = log.device
ORDER BY gap.id DESC LIMIT ?1
