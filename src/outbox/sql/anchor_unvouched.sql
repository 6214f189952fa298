-- Boots with anchors by a clock that nobody vouched for, made after ?1, and the first such anchor of each.
SELECT log, boot, min(id) FROM anchor
WHERE id > ?1 AND source IN ('unvouched', 'corrected') AND NOT EXISTS (
    SELECT 1 FROM anchor AS newer
    WHERE newer.log = anchor.log AND newer.boot = anchor.boot AND newer.voids_from IS NOT NULL
      AND newer.voids_from <= anchor.id AND newer.id > anchor.id AND newer.id <= 9223372036854775807)
GROUP BY log, boot
