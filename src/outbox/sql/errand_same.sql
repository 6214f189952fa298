SELECT id FROM errand
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND first_seq = ?4 AND skip = ?5 AND last_seq = ?6 AND upto IS ?7 AND why = ?8
  AND state = 'waiting'
