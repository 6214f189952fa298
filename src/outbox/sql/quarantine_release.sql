UPDATE quarantine SET released_us = ?2 WHERE id = ?1 AND released_us IS NULL
