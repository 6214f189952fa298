UPDATE quarantine SET
    first_seq = CASE WHEN last_seq > ?2 THEN ?2 + 1 ELSE first_seq END,
    skip = CASE WHEN last_seq > ?2 THEN 0 ELSE skip END,
    samples = samples - ?3,
    released_us = CASE WHEN last_seq > ?2 THEN NULL ELSE ?4 END
WHERE id = ?1
