SELECT id, boot, ticks_us, utc_us, uncertainty_us, source FROM anchor WHERE log = ?1 AND id <= ?2 ORDER BY id
