SELECT
    sink, log, kind, seq, skip, upto, resolution,
    EXISTS (
        SELECT 1 FROM errand
        WHERE errand.sink = dead.sink AND errand.log = dead.log AND errand.kind = dead.kind AND errand.first_seq = dead.seq
        AND errand.skip < coalesce(dead.upto, 65536) AND dead.skip < coalesce(errand.upto, 65536)
          AND errand.why = 'retry' AND errand.state = 'waiting'
    ) AS is_asked
FROM dead WHERE id = ?1
