INSERT INTO gap (log, stream, from_seq, to_seq, cause, detail, at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (log, from_seq, to_seq, cause) DO NOTHING
