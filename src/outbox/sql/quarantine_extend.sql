UPDATE quarantine SET last_seq = ?2, upto = ?3, samples = samples + ?4 WHERE id = ?1
