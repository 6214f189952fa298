DELETE FROM spell WHERE id IN (SELECT id FROM spell WHERE subject = ?1 LIMIT ?2)
