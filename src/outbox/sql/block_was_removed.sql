SELECT seq <= (SELECT removed_through FROM log WHERE id = ?1) AND NOT EXISTS (
    SELECT 1 FROM gap
    WHERE log = ?1 AND from_seq <= seq AND to_seq >= seq AND cause NOT IN ('evicted', 'conflict')
)
FROM (SELECT ?2 AS seq)
