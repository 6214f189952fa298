SELECT
    (SELECT created_us FROM batch ORDER BY id LIMIT 1) AS oldest_us,
    (SELECT created_us FROM batch ORDER BY id DESC LIMIT 1) AS newest_us
