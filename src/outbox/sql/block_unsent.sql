WITH past (through, indexed) AS MATERIALIZED (
    SELECT
        coalesce((SELECT through_seq FROM upload_cursor WHERE sink = ?3 AND log = ?1 AND kind = ?4), 0),
        (SELECT indexed_through FROM log WHERE id = ?1)
)
SELECT
    unsent.first_seq, unsent.blocks, block.received_s,
    iif(unsent.first_seq = cursor.through_seq + 1, cursor.into_next, 0) AS skip,
    unsent.samples - iif(unsent.first_seq = cursor.through_seq + 1, cursor.into_next, 0) AS samples
FROM (
    SELECT min(first_seq) AS first_seq, sum(blocks) AS blocks, sum(samples) AS samples
    FROM (
        SELECT min(seq) AS first_seq, count(*) AS blocks, sum(n) AS samples FROM stream_index
        WHERE log = ?1 AND stream = ?2 AND seq > (SELECT through FROM past)
        UNION ALL
        SELECT min(seq), count(*), sum(n) FROM block
        WHERE log = ?1 AND stream = ?2 AND seq > (SELECT max(through, indexed) FROM past)
    )
) AS unsent
JOIN block ON block.log = ?1 AND block.seq = unsent.first_seq
LEFT JOIN upload_cursor AS cursor ON cursor.sink = ?3 AND cursor.log = ?1 AND cursor.kind = ?4
