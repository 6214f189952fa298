UPDATE errand SET first_seq = ?2 + 1, skip = 0
WHERE log = ?1 AND state = 'waiting' AND first_seq <= ?2 AND last_seq > ?2
