INSERT OR IGNORE INTO salvaged (log, seq, received_s, body) VALUES (?1, ?2, ?3, ?4)
