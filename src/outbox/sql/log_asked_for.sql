SELECT kind, first_seq, last_seq FROM quarantine WHERE log = ?1 AND released_us IS NULL
UNION ALL
SELECT kind, first_seq, last_seq FROM errand WHERE log = ?1 AND state = 'waiting'
