SELECT EXISTS (SELECT 1 FROM peer WHERE device_id = ?2 AND address <> ?1)
