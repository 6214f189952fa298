-- From the last but one before the moment: the rate there may come from a pair that lies before it.
SELECT id, boot, ticks_us, utc_us, uncertainty_us, source FROM anchor
WHERE log = ?1 AND id <= ?2
  AND (boot, ticks_us) >= (?3, coalesce(
    (SELECT ticks_us FROM anchor WHERE log = ?1 AND id <= ?2 AND boot = ?3 AND ticks_us < ?4
     ORDER BY ticks_us DESC LIMIT 1 OFFSET 1), 0))
ORDER BY id
