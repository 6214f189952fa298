SELECT
    (SELECT count(*) FROM log) AS logs,
    (SELECT count(*) FROM gap) AS gaps,
    (SELECT count(*) FROM dead WHERE resolution IS NULL) AS dead,
    (SELECT count(*) FROM batch WHERE state = 'open') AS open_batches,
    (SELECT max(last_receipt_us) FROM upload_cursor WHERE sink = ?1) AS last_receipt_us
