SELECT min(seq) FROM block
WHERE log = ?1 AND stream = ?2
  AND seq > coalesce((SELECT through_seq FROM upload_cursor WHERE sink = ?3 AND log = ?1 AND kind = ?4), 0)
