SELECT sink, kind, first_seq, skip, last_seq, upto FROM errand
WHERE log = ?1 AND state = 'waiting' AND why = 'release' AND first_seq <= ?2
