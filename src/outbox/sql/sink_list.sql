SELECT name, added_us, since_us, paused_us FROM sink ORDER BY added_us, name
