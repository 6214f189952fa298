SELECT boot, t0_ms FROM block WHERE log = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT 1
