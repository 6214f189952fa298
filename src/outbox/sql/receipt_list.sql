SELECT receipt.*, batch.sink, batch.log, batch.kind, batch.first_seq, batch.last_seq, batch.samples, batch.rows
FROM receipt JOIN batch ON batch.id = receipt.batch
ORDER BY receipt.batch DESC LIMIT ?1
