-- The first block that somebody may still ask for, behind the cursors.
SELECT min(seq) FROM (
    SELECT min(first_seq) AS seq FROM errand WHERE log = ?1 AND state = 'waiting'
    UNION ALL
    SELECT min(first_seq) FROM quarantine WHERE log = ?1 AND released_us IS NULL
    UNION ALL
    SELECT min(seq) FROM dead WHERE log = ?1 AND sink IS NOT NULL AND resolution IS NULL
    UNION ALL
    SELECT min(first_seq) FROM batch WHERE log = ?1 AND state = 'open'
)
