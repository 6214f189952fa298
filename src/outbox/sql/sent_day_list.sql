SELECT log, kind, day, row_count, row_sum, exact FROM sent_day WHERE sink = ?1 AND day BETWEEN ?2 AND ?3
