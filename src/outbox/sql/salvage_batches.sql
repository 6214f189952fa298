-- Up to which batch a log was sent before its database was damaged, for whoever fills its holes later. Where an earlier damage is
-- known and what was written down then is lost, too: none, so that rather too much is sent than too little.
INSERT OR IGNORE INTO meta (key, value)
SELECT 'salvage batches ' || id,
    CASE WHEN EXISTS (SELECT 1 FROM session WHERE session.log = log.id AND outcome = 'salvaged') THEN '0'
    ELSE CAST((SELECT coalesce(max(id), 0) FROM batch) AS TEXT) END
FROM log
