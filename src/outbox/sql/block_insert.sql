INSERT INTO block (log, seq, session, received_s, boot, t0_ms, stream, n, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
