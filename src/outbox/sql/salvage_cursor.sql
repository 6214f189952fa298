-- Everything that speaks of a number says that the log went so far; and one that an earlier salvage began goes on where the one before
-- it ended, which one whose counter went backwards does not.
UPDATE log SET cursor = max(
    cursor,
    ?2,
    coalesce((SELECT max(to_seq) FROM gap WHERE log = ?1 AND cause <> 'conflict'), 0),
    coalesce((SELECT max(through_seq) FROM upload_cursor WHERE log = ?1), 0),
    coalesce((SELECT max(last_seq) FROM batch WHERE log = ?1), 0),
    coalesce((SELECT max(last_seq) FROM errand WHERE log = ?1), 0),
    coalesce((SELECT max(last_seq) FROM quarantine WHERE log = ?1), 0),
    coalesce((
        SELECT max(before.cursor) FROM log AS before
        WHERE before.device = log.device AND before.log_id = log.log_id AND before.era = log.era - 1
            AND EXISTS (
                SELECT 1 FROM session
                WHERE session.log = before.id AND outcome = 'salvaged' AND started_us = log.opened_us
            )
    ), 0),
    removed_through
) WHERE id = ?1
