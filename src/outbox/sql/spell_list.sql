SELECT * FROM spell WHERE ended_us IS NULL OR ended_us >= ?1 ORDER BY began_us, id LIMIT ?2
