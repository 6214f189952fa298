INSERT INTO upload_cursor (
    sink, log, kind, through_seq, into_next, sent_samples, dead_samples, held_samples, last_receipt_us
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (sink, log, kind) DO UPDATE SET
    through_seq = excluded.through_seq,
    into_next = excluded.into_next,
    sent_samples = sent_samples + excluded.sent_samples,
    dead_samples = dead_samples + excluded.dead_samples,
    held_samples = held_samples + excluded.held_samples,
    last_receipt_us = coalesce(excluded.last_receipt_us, last_receipt_us)
