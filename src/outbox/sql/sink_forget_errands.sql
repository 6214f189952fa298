DELETE FROM errand WHERE sink = ?1
