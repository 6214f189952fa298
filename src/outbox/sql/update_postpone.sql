UPDATE firmware_update SET attempts = attempts + ?2, not_before_us = ?3, detail = ?4 WHERE id = ?1 AND ended_us IS NULL
