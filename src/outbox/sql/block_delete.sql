DELETE FROM block WHERE log = ?1 AND seq = ?2
