DELETE FROM firmware_step WHERE id IN (
    SELECT firmware_step.id FROM firmware_step JOIN firmware_update ON firmware_update.id = update_id WHERE device_id = ?1 LIMIT ?2)
