SELECT * FROM batch WHERE id = ?1
