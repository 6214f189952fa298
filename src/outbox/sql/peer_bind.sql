UPDATE peer SET device_id = ?2 WHERE address = ?1
