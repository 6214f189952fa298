-- From the last but one before the moment: the rate there may come from a pair that lies before it.
WITH live AS NOT MATERIALIZED (
  SELECT id, boot, ticks_us, utc_us, uncertainty_us, source FROM anchor
  WHERE log = ?1 AND id <= ?2 AND NOT EXISTS (
    SELECT 1 FROM anchor AS newer
    WHERE newer.log = anchor.log AND newer.boot = anchor.boot AND newer.voids_from IS NOT NULL
      AND newer.voids_from <= anchor.id AND newer.id > anchor.id AND newer.id <= ?2))
SELECT id, boot, ticks_us, utc_us, uncertainty_us, source FROM live
WHERE (boot, ticks_us) >= (?3, coalesce(
    (SELECT ticks_us FROM live WHERE boot = ?3 AND ticks_us < ?4
     ORDER BY ticks_us DESC LIMIT 1 OFFSET 1), 0))
ORDER BY id
