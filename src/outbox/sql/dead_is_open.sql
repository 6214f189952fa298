SELECT EXISTS (
    SELECT 1 FROM dead
    WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND seq = ?4 AND skip = ?5 AND upto IS ?6 AND resolution IS NULL
)
