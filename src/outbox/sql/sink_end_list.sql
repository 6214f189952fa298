SELECT name, at_us, sent, dead, missed, given_up FROM sink_end WHERE at_us >= ?1 ORDER BY id
