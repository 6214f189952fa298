SELECT errand.*, log.synthetic, device.device_id
FROM errand JOIN log ON log.id = errand.log JOIN device ON device.id = log.device
WHERE errand.id = ?1
