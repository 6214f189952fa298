SELECT
    min((SELECT received_s FROM block WHERE block.log = log.id ORDER BY seq LIMIT 1)) AS oldest_s,
    max((SELECT received_s FROM block WHERE block.log = log.id ORDER BY seq DESC LIMIT 1)) AS newest_s
FROM log
