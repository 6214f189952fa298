SELECT coalesce(sum(
    CASE WHEN seq = ?5 THEN min(n, coalesce(?6, n)) ELSE n END - CASE WHEN seq = ?3 THEN min(n, ?4) ELSE 0 END
), 0)
FROM stream_block WHERE log = ?1 AND stream = ?2 AND seq BETWEEN ?3 AND ?5
