UPDATE block SET received_s = received_s + ?3 WHERE log = ?1 AND seq > ?2
