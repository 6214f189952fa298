UPDATE firmware_update SET step = ?2, started = started OR ?3, detail = ?4, ended_us = ?5 WHERE id = ?1 AND ended_us IS NULL
