UPDATE batch SET state = 'recut', seam = NULL WHERE log = ?1 AND state = 'open' AND first_seq <= ?2
