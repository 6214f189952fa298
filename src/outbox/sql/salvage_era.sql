-- What comes now goes to a new era, which begins where the old one ended.
INSERT INTO log (device, log_id, era, synthetic, cursor, opened_us)
SELECT device, log_id, max(era) + 1, synthetic, cursor, ?1 FROM log WHERE adrift = 0 GROUP BY device, log_id
