UPDATE device SET name = ?2 WHERE device_id = ?1
