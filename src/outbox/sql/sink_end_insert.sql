INSERT INTO sink_end (name, at_us, sent, dead, missed, given_up) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
