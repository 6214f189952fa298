DELETE FROM batch WHERE id = ?1
