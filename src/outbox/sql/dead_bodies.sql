SELECT seq, body, at_us FROM dead
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND seq BETWEEN ?4 AND ?5
GROUP BY seq ORDER BY seq
