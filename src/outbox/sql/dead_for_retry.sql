SELECT
    sink, log, kind, seq, skip, upto, resolution,
    EXISTS (SELECT 1 FROM block WHERE block.log = dead.log AND block.seq = dead.seq) AS is_stored
FROM dead WHERE id = ?1
