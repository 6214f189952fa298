SELECT stream, sum(blocks) AS blocks, sum(samples) AS samples
FROM (
    SELECT stream, count(*) AS blocks, sum(n) AS samples FROM stream_index
    GROUP BY log, stream
    UNION ALL
    SELECT stream, count(*), sum(n)
    FROM log CROSS JOIN block ON block.log = log.id AND block.seq > log.indexed_through
    GROUP BY stream
)
GROUP BY stream ORDER BY stream
