SELECT * FROM batch WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND state = 'open'
