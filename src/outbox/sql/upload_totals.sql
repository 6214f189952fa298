SELECT kind, sum(sent_samples) AS sent, sum(dead_samples) AS dead
FROM upload_cursor WHERE sink = ?1 GROUP BY kind
