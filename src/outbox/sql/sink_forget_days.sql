DELETE FROM sent_day WHERE sink = ?1
