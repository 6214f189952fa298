-- What a receiver refused, nobody has decided on, and can still be sent.
SELECT id FROM dead
WHERE resolution IS NULL AND sink IS NOT NULL AND kind IS NOT NULL
  AND EXISTS (SELECT 1 FROM block WHERE block.log = dead.log AND block.seq = dead.seq)
ORDER BY id LIMIT ?1
