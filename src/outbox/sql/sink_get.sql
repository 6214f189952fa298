SELECT name, added_us, since_us, paused_us FROM sink WHERE name = ?1
