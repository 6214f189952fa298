DELETE FROM receipt WHERE batch = ?1
