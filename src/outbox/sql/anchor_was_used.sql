-- Whether a batch was written down that knew anchor ?3 and holds something of boot ?2 up to tick ?4. Of blocks that are freed it is not
-- known what they were, so they count.
SELECT EXISTS (
  SELECT 1 FROM batch
  LEFT JOIN block AS first ON first.log = batch.log AND first.seq = batch.first_seq
  LEFT JOIN block AS last ON last.log = batch.log AND last.seq = batch.last_seq
  WHERE batch.log = ?1 AND batch.state IN ('open', 'sent') AND batch.anchor_horizon >= ?3
    AND (coalesce(first.boot, ?2), coalesce(first.t0_ms, 0)) <= (?2, ?4 / 1000)
    AND coalesce(last.boot, ?2) >= ?2)
