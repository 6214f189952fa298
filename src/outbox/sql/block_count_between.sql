SELECT count(*) AS blocks FROM stream_block WHERE log = ?1 AND seq >= ?2 AND seq < ?3
