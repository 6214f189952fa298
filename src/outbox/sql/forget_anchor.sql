DELETE FROM anchor WHERE id IN (SELECT id FROM anchor WHERE log = ?1 LIMIT ?2)
