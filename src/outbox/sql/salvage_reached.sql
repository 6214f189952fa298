SELECT max(
    coalesce((SELECT max(seq) FROM block WHERE log = ?1), 0),
    (SELECT removed_through FROM log WHERE id = ?1)
)
