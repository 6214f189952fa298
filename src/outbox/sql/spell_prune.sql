DELETE FROM spell WHERE ended_us < ?1
