SELECT * FROM quarantine
WHERE sink = ?1 AND log = ?2 AND kind = ?3 AND boot = ?4 AND cause = ?5 AND released_us IS NULL
ORDER BY id DESC LIMIT 1
