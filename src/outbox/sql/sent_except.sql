-- What lies behind a cursor and was not sent: what is dead unless it was sent again, and what is in quarantine or has only just left it.
SELECT seq AS first_seq, skip, seq AS last_seq, upto FROM dead
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND NOT (coalesce(resolution, '') = 'retried' AND EXISTS (
    SELECT 1 FROM errand
    WHERE errand.sink = ?1 AND errand.log = ?2 AND errand.kind = ?3 AND errand.why = 'retry' AND errand.state = 'done'
      AND errand.first_seq <= dead.seq AND errand.last_seq >= dead.seq))
UNION ALL
SELECT first_seq, skip, last_seq, upto FROM quarantine
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND (released_us IS NULL OR EXISTS (
    SELECT 1 FROM errand
    WHERE errand.sink = ?1 AND errand.log = ?2 AND errand.kind = ?3 AND errand.why = 'release' AND errand.state <> 'done'
      AND errand.first_seq <= quarantine.last_seq AND errand.last_seq >= quarantine.first_seq))
