SELECT min(stream) FROM block WHERE log = ?1 AND stream >= ?2
