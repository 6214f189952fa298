INSERT INTO session (log, device, started_us, ended_us, outcome)
SELECT id, device, ?2, ?2, 'salvaged' FROM log WHERE id <= ?1
