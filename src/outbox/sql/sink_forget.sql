DELETE FROM sink WHERE name = ?1
