-- The last anchor of the boots before.
SELECT id, boot, ticks_us, utc_us, uncertainty_us, source FROM anchor
WHERE log = ?1 AND boot < ?2 AND NOT EXISTS (
    SELECT 1 FROM anchor AS newer
    WHERE newer.log = anchor.log AND newer.boot = anchor.boot AND newer.voids_from IS NOT NULL
      AND newer.voids_from <= anchor.id AND newer.id > anchor.id AND newer.id <= 9223372036854775807)
ORDER BY boot DESC, ticks_us DESC LIMIT 1
