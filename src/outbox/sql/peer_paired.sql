UPDATE peer SET paired_us = ?2, name = coalesce(?3, name) WHERE address = ?1
