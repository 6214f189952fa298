INSERT INTO upload_cursor (sink, log, kind, through_seq, sent_samples, dead_samples, last_receipt_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (sink, log, kind) DO UPDATE SET
    through_seq = excluded.through_seq,
    sent_samples = sent_samples + excluded.sent_samples,
    dead_samples = dead_samples + excluded.dead_samples,
    last_receipt_us = coalesce(excluded.last_receipt_us, last_receipt_us)
