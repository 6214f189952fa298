INSERT INTO dead (log, sink, kind, stream, seq, skip, upto, samples, reason, status, response, body, at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
