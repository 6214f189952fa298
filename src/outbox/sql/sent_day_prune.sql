DELETE FROM sent_day WHERE day < ?1
