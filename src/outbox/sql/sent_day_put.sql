INSERT OR REPLACE INTO sent_day (sink, log, kind, day, row_count, row_sum, last_s, exact)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
