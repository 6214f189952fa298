SELECT stream, sum(blocks) AS blocks, sum(samples) AS samples
FROM (
    SELECT stream, count(*) AS blocks, sum(n) AS samples
    FROM block INDEXED BY block_stream
    GROUP BY log, stream
)
GROUP BY stream ORDER BY stream
