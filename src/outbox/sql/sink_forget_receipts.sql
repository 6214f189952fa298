DELETE FROM receipt WHERE batch IN (SELECT id FROM batch WHERE sink = ?1)
