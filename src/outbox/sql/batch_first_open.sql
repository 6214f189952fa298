SELECT coalesce(errand, 0) FROM batch
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND state = 'open'
ORDER BY id LIMIT 1
