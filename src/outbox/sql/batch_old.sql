-- Among the oldest ones, those that are over, unless they are part of an errand that is not.
SELECT id FROM (SELECT * FROM batch ORDER BY id LIMIT ?2) AS oldest
WHERE state <> 'open' AND created_us < ?1
  AND NOT EXISTS (SELECT 1 FROM errand WHERE errand.id = oldest.errand AND errand.state = 'waiting')
