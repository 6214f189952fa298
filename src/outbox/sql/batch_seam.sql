SELECT seam FROM batch WHERE id = ?1
