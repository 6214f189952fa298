UPDATE errand SET state = 'given up', ended_us = ?3
WHERE log = ?1 AND state = 'waiting' AND last_seq <= ?2
