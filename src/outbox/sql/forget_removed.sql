DELETE FROM removed WHERE log = ?1 AND (stream, why) IN (SELECT stream, why FROM removed WHERE log = ?1 LIMIT ?2)
