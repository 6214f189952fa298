-- The first block that somebody may still ask for, behind the cursors. A dead letter has its bytes with it.
SELECT min(seq) FROM (
    SELECT min(first_seq) AS seq FROM errand WHERE log = ?1 AND state = 'waiting'
    UNION ALL
    SELECT min(first_seq) FROM quarantine WHERE log = ?1 AND released_us IS NULL
    UNION ALL
    SELECT min(first_seq) FROM batch WHERE log = ?1 AND state = 'open'
)
