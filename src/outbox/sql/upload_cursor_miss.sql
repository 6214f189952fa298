INSERT INTO upload_cursor (sink, log, kind, through_seq, sent_samples, dead_samples, missed_samples)
VALUES (?1, ?2, ?3, ?4, 0, 0, ?5)
ON CONFLICT (sink, log, kind) DO UPDATE SET
    through_seq = excluded.through_seq,
    into_next = 0,
    missed_samples = missed_samples + excluded.missed_samples
