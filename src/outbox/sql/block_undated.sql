SELECT boot, sum(n) AS samples, min(received_s) AS received_s FROM block
WHERE log = ?1 AND seq >= ?2 AND boot NOT IN (SELECT boot FROM anchor WHERE anchor.log = ?1)
GROUP BY boot ORDER BY boot
