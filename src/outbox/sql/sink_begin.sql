-- Everything in front of the first block that was stored from ?5 on is missed, and so is all there is if none was. A clock that was
-- stepped back may have stored an older-looking block behind that one: it is sent, as too much does no harm.
INSERT INTO upload_cursor (sink, log, kind, through_seq, sent_samples, dead_samples, missed_samples)
SELECT ?1, ?2, ?4, max(seq), 0, 0, sum(n)
FROM stream_block
WHERE log = ?2 AND stream = ?3
  AND seq < coalesce((
      SELECT later.seq FROM stream_block AS later CROSS JOIN block ON block.log = later.log AND block.seq = later.seq
      WHERE later.log = ?2 AND later.stream = ?3 AND block.received_s >= ?5
      ORDER BY later.seq LIMIT 1
  ), 9223372036854775807)
HAVING count(*) > 0
ON CONFLICT (sink, log, kind) DO NOTHING
