SELECT seq, boot, t0_ms, stream, n, received_s, body FROM block
WHERE log = ?1 AND seq = (
    SELECT seq FROM stream_block WHERE log = ?1 AND stream = ?2 AND seq < ?3
    ORDER BY seq DESC LIMIT 1
)
