SELECT received_s, body FROM salvaged WHERE log = ?1 ORDER BY seq LIMIT ?2
