SELECT
    kind,
    sum(sent_samples) AS sent,
    sum(dead_samples) AS dead,
    sum(held_samples) AS held,
    sum(missed_samples) AS missed
FROM upload_cursor WHERE sink = ?1 GROUP BY kind
