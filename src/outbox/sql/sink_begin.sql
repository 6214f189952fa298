-- Everything in front of the first block that was stored from ?5 on is missed, and so is all there is if none was. A clock that was
-- stepped back may have stored an older-looking block behind that one: it is sent, as too much does no harm.
INSERT INTO upload_cursor (sink, log, kind, through_seq, sent_samples, dead_samples, missed_samples)
SELECT ?1, ?2, ?4, max(block.seq), 0, 0, sum(block.n)
FROM block
WHERE block.log = ?2 AND block.stream = ?3
  AND block.seq < coalesce((
      SELECT min(later.seq) FROM block AS later
      WHERE later.log = ?2 AND later.stream = ?3 AND later.received_s >= ?5
  ), 9223372036854775807)
HAVING count(*) > 0
ON CONFLICT (sink, log, kind) DO NOTHING
