INSERT INTO anchor (log, boot, ticks_us, utc_us, uncertainty_us, source, voids_from) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (log, boot, ticks_us) DO NOTHING
