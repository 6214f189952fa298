DELETE FROM salvaged WHERE log = ?1 AND seq <= ?2
