-- Those that begin in the span: a sample of a dead block that is retried takes the whole letter's place.
UPDATE dead SET resolution = 'retried', resolved_us = ?8
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND seq BETWEEN ?4 AND ?6 AND resolution IS NULL
  AND (seq > ?4 OR coalesce(upto, 65536) > ?5) AND (seq < ?6 OR skip < coalesce(?7, 65536))
