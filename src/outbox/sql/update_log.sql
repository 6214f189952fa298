INSERT INTO firmware_step (update_id, step, detail, at_us) VALUES (?1, ?2, ?3, ?4)
