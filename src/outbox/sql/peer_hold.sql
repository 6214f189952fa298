UPDATE peer SET held_us = ?2 WHERE address = ?1
