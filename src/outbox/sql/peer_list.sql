SELECT address, device_id, name, paired_us, held_us FROM peer ORDER BY address
