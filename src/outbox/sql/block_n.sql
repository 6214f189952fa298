SELECT n FROM block WHERE log = ?1 AND seq = ?2
