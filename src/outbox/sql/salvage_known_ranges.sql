-- What is stored, was removed or is a gap already, and the end.
SELECT 1 AS first, removed_through AS last FROM log WHERE id = ?1
UNION ALL
SELECT seq, seq FROM block WHERE log = ?1
UNION ALL
SELECT from_seq, to_seq FROM gap WHERE log = ?1
UNION ALL
SELECT ?2, ?2
ORDER BY 1
