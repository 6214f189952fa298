-- The anchors that date what lies between two moments: from the last but one before the first to the one at or after the last. Without
-- those that a later one has put right.
WITH live AS NOT MATERIALIZED (
  SELECT boot, ticks_us, utc_us FROM anchor
  WHERE log = ?1 AND NOT EXISTS (
    SELECT 1 FROM anchor AS newer
    WHERE newer.log = anchor.log AND newer.boot = anchor.boot AND newer.voids_from IS NOT NULL
      AND newer.voids_from <= anchor.id AND newer.id > anchor.id))
SELECT boot, ticks_us, utc_us FROM live
WHERE (boot, ticks_us) >= (?2, coalesce(
    (SELECT ticks_us FROM live WHERE boot = ?2 AND ticks_us < ?3
     ORDER BY ticks_us DESC LIMIT 1 OFFSET 1), 0))
  AND (boot, ticks_us) <= (
    coalesce((SELECT boot FROM live WHERE (boot, ticks_us) >= (?4, ?5) ORDER BY boot, ticks_us LIMIT 1), 65535),
    coalesce((SELECT ticks_us FROM live WHERE (boot, ticks_us) >= (?4, ?5) ORDER BY boot, ticks_us LIMIT 1), 9223372036854775807))
