SELECT row_count, row_sum, last_s, exact FROM sent_day WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND day = ?4
