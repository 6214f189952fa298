SELECT EXISTS (SELECT 1 FROM batch WHERE idempotency_key = ?1)
