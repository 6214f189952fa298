UPDATE firmware_update SET from_version = coalesce(from_version, ?2), sent_bytes = sent_bytes + ?3, resent_bytes = resent_bytes + ?4 WHERE id = ?1
