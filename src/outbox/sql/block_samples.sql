SELECT coalesce(sum(n), 0) FROM block WHERE log = ?1 AND stream = ?2 AND seq BETWEEN ?3 AND ?4
