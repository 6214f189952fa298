SELECT next.seq, CASE WHEN next.seq = cursor.through_seq + 1 THEN cursor.into_next ELSE 0 END
FROM (
    SELECT seq FROM stream_block
    WHERE log = ?1 AND stream = ?2
      AND seq > coalesce((SELECT through_seq FROM upload_cursor WHERE sink = ?3 AND log = ?1 AND kind = ?4), 0)
    ORDER BY seq LIMIT 1
) AS next
LEFT JOIN upload_cursor AS cursor ON cursor.sink = ?3 AND cursor.log = ?1 AND cursor.kind = ?4
