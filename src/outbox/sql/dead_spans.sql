SELECT seq AS first_seq, skip, seq AS last_seq, upto FROM dead
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND seq BETWEEN ?4 AND ?5 AND resolution IS NOT 'retried'
