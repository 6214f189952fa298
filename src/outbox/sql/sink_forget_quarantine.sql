DELETE FROM quarantine WHERE sink = ?1
