SELECT device_id FROM peer WHERE address = ?1
