-- A cursor that has moved by a receipt or a dead letter belongs to a sink that was there before.
INSERT INTO upload_cursor (sink, log, kind, through_seq, sent_samples, dead_samples, missed_samples)
SELECT ?1, ?2, ?4, 0, 0, 0, sum(samples) FROM removed WHERE log = ?2 AND stream = ?3
HAVING count(*) > 0
ON CONFLICT (sink, log, kind) DO UPDATE SET missed_samples = missed_samples + excluded.missed_samples
WHERE sent_samples = 0 AND dead_samples = 0 AND held_samples = 0
