UPDATE batch SET attempts = attempts + 1, last_attempt_us = ?2, last_error = ?3 WHERE id = ?1
