SELECT seq AS first_seq, skip, seq AS last_seq, upto FROM dead
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND seq BETWEEN ?4 AND ?5 AND resolution IS NOT 'retried'
UNION ALL
SELECT first_seq, skip, last_seq, upto FROM quarantine
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND first_seq <= ?5 AND last_seq >= ?4 AND released_us IS NULL
