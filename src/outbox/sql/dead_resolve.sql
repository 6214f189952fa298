UPDATE dead SET resolution = ?2, resolved_us = ?3 WHERE id = ?1
