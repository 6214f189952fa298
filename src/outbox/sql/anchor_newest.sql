SELECT max(id) FROM anchor WHERE log = ?1
