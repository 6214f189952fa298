INSERT INTO gap (log, stream, from_seq, to_seq, cause, detail, at_us, samples)
VALUES (?1, ?2, ?3, ?4, 'evicted', ?5, ?6, ?7)
