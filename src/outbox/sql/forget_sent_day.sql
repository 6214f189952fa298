DELETE FROM sent_day WHERE log = ?1 AND (sink, kind, day) IN (SELECT sink, kind, day FROM sent_day WHERE log = ?1 LIMIT ?2)
