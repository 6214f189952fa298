SELECT level, sequence, security_counter, latest_us FROM firmware_trust WHERE device_id = ?1
