-- What comes meanwhile stays: it is of a session that somebody wants.
DELETE FROM block WHERE log = ?1 AND seq IN (SELECT seq FROM block WHERE log = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)
