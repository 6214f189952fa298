UPDATE upload_cursor
SET sent_samples = sent_samples + ?4,
    dead_samples = dead_samples + ?5,
    held_samples = held_samples + ?6,
    last_receipt_us = coalesce(?7, last_receipt_us)
WHERE sink = ?1 AND log = ?2 AND kind = ?3
