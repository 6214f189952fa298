-- As log_pinned, of one sink.
SELECT min(seq) FROM (
    SELECT min(first_seq) AS seq FROM errand WHERE log = ?1 AND sink = ?2 AND state = 'waiting'
    UNION ALL
    SELECT min(first_seq) FROM quarantine WHERE log = ?1 AND sink = ?2 AND released_us IS NULL
    UNION ALL
    SELECT min(first_seq) FROM batch WHERE log = ?1 AND sink = ?2 AND state = 'open'
)
