SELECT count(*) AS blocks FROM block INDEXED BY block_stream WHERE log = ?1 AND seq >= ?2 AND seq < ?3
