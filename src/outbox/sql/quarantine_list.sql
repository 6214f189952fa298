SELECT * FROM quarantine WHERE released_us IS NULL ORDER BY id
