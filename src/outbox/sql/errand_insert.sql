INSERT INTO errand (sink, log, kind, first_seq, skip, last_seq, upto, why, state, asked_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'waiting', ?9)
RETURNING id
