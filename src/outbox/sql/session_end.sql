UPDATE session
SET ended_us = ?2, outcome = ?3, log = coalesce(?4, log), fetched = ?5, new = ?6, duplicate = ?7, rejected = ?8, newest_us = ?9
WHERE id = ?1
