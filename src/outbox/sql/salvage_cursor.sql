-- Everything that speaks of a number says that the log went so far.
UPDATE log SET cursor = max(
    cursor,
    ?2,
    coalesce((SELECT max(to_seq) FROM gap WHERE log = ?1 AND cause <> 'conflict'), 0),
    coalesce((SELECT max(through_seq) FROM upload_cursor WHERE log = ?1), 0),
    coalesce((SELECT max(last_seq) FROM batch WHERE log = ?1), 0),
    coalesce((SELECT max(last_seq) FROM errand WHERE log = ?1), 0),
    coalesce((SELECT max(last_seq) FROM quarantine WHERE log = ?1), 0),
    removed_through
) WHERE id = ?1
