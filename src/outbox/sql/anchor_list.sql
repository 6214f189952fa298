SELECT id, boot, ticks_us, utc_us, uncertainty_us, source FROM anchor
WHERE log = ?1 AND id <= ?2 AND NOT EXISTS (
    SELECT 1 FROM anchor AS newer
    WHERE newer.log = anchor.log AND newer.boot = anchor.boot AND newer.voids_from IS NOT NULL
      AND newer.voids_from <= anchor.id AND newer.id > anchor.id AND newer.id <= ?2)
ORDER BY id
