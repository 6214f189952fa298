SELECT removed_through FROM log WHERE id = ?1
