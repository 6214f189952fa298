SELECT received_s FROM block WHERE log = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1
