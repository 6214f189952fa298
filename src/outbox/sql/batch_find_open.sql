SELECT * FROM batch
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND coalesce(errand, 0) = coalesce(?4, 0) AND state = 'open'
