UPDATE batch SET state = ?2, seam = NULL WHERE id = ?1
