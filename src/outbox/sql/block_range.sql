SELECT block.seq, boot, t0_ms, stream, n, received_s, body
FROM (
    SELECT seq FROM stream_block
    WHERE log = ?1 AND stream = ?2 AND seq BETWEEN ?3 AND ?4
    ORDER BY seq LIMIT ?5
) AS place
CROSS JOIN block ON block.log = ?1 AND block.seq = place.seq
ORDER BY place.seq
