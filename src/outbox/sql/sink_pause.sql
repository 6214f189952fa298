UPDATE sink SET paused_us = iif(?2, ?3, NULL) WHERE name = ?1 AND (paused_us IS NOT NULL) <> ?2
