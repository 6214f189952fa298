UPDATE errand SET first_seq = ?2, skip = ?3 WHERE id = ?1
