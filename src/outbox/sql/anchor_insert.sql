INSERT INTO anchor (log, boot, ticks_us, utc_us, uncertainty_us, source) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (log, boot, ticks_us) DO NOTHING
