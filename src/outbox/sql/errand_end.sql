UPDATE errand SET state = ?2, ended_us = ?3 WHERE id = ?1
