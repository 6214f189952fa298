SELECT
    coalesce(sum(sent_samples), 0) AS sent,
    coalesce(sum(dead_samples), 0) AS dead,
    coalesce(sum(held_samples), 0) AS held,
    coalesce(sum(missed_samples), 0) AS missed,
    max(last_receipt_us) AS last_receipt_us
FROM upload_cursor WHERE sink = ?1
