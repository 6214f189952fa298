SELECT coalesce(sum(samples), 0) FROM removed WHERE why = ?1
