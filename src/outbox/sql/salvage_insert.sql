INSERT INTO block (log, seq, session, received_s, boot, t0_ms, stream, n, body)
SELECT ?1, ?2, (SELECT max(id) FROM session WHERE log = ?1 AND outcome = 'salvaged'), ?3, ?4, ?5, ?6, ?7, ?8
