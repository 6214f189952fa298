INSERT OR IGNORE INTO anchor (log, boot, ticks_us, utc_us, uncertainty_us, source)
SELECT new.id, anchor.boot, anchor.ticks_us, anchor.utc_us, anchor.uncertainty_us, anchor.source
FROM log AS new
JOIN log AS old ON old.device = new.device AND old.log_id = new.log_id AND old.era = new.era - 1
JOIN anchor ON anchor.log = old.id
WHERE new.id > ?1 AND old.adrift = 0
ORDER BY anchor.id
