SELECT seq, boot, t0_ms, stream, n, received_s, body FROM block
WHERE log = ?1 AND seq > ?2
ORDER BY seq LIMIT ?3
