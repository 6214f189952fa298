INSERT INTO dead (log, sink, kind, stream, seq, samples, reason, status, response, body, at_us)
SELECT log, ?5, ?6, stream, seq, n, ?7, ?8, ?9, body, ?10
FROM block WHERE log = ?1 AND stream = ?2 AND seq BETWEEN ?3 AND ?4
ORDER BY seq
