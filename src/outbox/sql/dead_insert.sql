INSERT INTO dead (log, stream, seq, samples, reason, body, at_us) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)
