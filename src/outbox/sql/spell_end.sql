UPDATE spell SET ended_us = max(?2, began_us) WHERE id = ?1 AND ended_us IS NULL
