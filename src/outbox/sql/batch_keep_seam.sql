UPDATE batch SET seam = ?2 WHERE id = ?1
