UPDATE upload_cursor SET held_samples = held_samples + ?4 WHERE sink = ?1 AND log = ?2 AND kind = ?3
