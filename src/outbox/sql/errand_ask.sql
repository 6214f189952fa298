-- One that waits already will do.
INSERT INTO errand (sink, log, kind, first_seq, skip, last_seq, upto, why, state, asked_us)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'waiting', ?9
WHERE NOT EXISTS (
    SELECT 1 FROM errand
    WHERE state = 'waiting' AND sink = ?1 AND log = ?2 AND kind = ?3 AND first_seq = ?4 AND skip = ?5 AND last_seq = ?6 AND upto IS ?7
)
