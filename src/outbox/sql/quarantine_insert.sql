INSERT INTO quarantine (sink, log, kind, first_seq, skip, last_seq, upto, boot, samples, cause, detail, at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
