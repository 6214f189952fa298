SELECT seq FROM block WHERE log = ?1 AND seq <= ?2 AND received_s > ?3 ORDER BY seq LIMIT 1
