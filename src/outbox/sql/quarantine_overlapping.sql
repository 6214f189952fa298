SELECT id, sink, kind, first_seq, skip, last_seq, upto, samples FROM quarantine
WHERE log = ?1 AND released_us IS NULL AND first_seq <= ?2
