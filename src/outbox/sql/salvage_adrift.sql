-- Simulated, for all that is known: what may be goes nowhere.
INSERT INTO log (id, device, log_id, era, synthetic, cursor, opened_us, adrift)
SELECT ?1, ?2, 0, coalesce(max(era), 0) + 1, 1, 0, ?3, 1 FROM log WHERE device = ?2 AND log_id = 0
