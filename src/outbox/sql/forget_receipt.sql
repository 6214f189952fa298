DELETE FROM receipt WHERE batch IN (SELECT receipt.batch FROM receipt JOIN batch ON batch.id = receipt.batch WHERE batch.log = ?1 LIMIT ?2)
