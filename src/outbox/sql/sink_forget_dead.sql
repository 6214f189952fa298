DELETE FROM dead WHERE sink = ?1
