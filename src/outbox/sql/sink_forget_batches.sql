DELETE FROM batch WHERE sink = ?1
