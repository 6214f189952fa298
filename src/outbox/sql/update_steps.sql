SELECT step, detail, at_us FROM firmware_step WHERE update_id = ?1 ORDER BY id
