DELETE FROM errand WHERE id IN (SELECT id FROM errand WHERE log = ?1 LIMIT ?2)
