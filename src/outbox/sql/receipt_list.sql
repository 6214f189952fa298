SELECT receipt.*, batch.sink, batch.log, batch.kind, batch.first_seq, batch.last_seq, batch.samples, batch.rows, device.device_id
FROM receipt JOIN batch ON batch.id = receipt.batch
    JOIN log ON log.id = batch.log JOIN device ON device.id = log.device
WHERE (?2 IS NULL OR receipt.batch = ?2) AND receipt.at_us >= ?3
ORDER BY receipt.batch DESC LIMIT ?1
