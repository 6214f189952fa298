SELECT cursor FROM log WHERE id = ?1
