SELECT min(stream) FROM (
    SELECT min(stream) AS stream FROM stream_index WHERE log = ?1 AND stream >= ?2
    UNION ALL
    SELECT min(stream) FROM block
    WHERE log = ?1 AND seq > (SELECT indexed_through FROM log WHERE id = ?1) AND stream >= ?2
)
