-- What a receiver refused, nobody has decided on, and is not on its way again.
SELECT id FROM dead
WHERE id > ?2 AND resolution IS NULL AND sink IS NOT NULL AND kind IS NOT NULL
  AND NOT EXISTS (
      SELECT 1 FROM errand
      WHERE errand.sink = dead.sink AND errand.log = dead.log AND errand.kind = dead.kind AND errand.first_seq = dead.seq
        AND errand.skip < coalesce(dead.upto, 65536) AND dead.skip < coalesce(errand.upto, 65536)
        AND errand.why = 'retry' AND errand.state = 'waiting'
  )
ORDER BY id LIMIT ?1
