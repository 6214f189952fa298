-- Those who have passed this number; whether they did so with the block, before the database was damaged.
SELECT sink, kind, EXISTS (
    SELECT 1 FROM batch
    WHERE batch.sink = upload_cursor.sink AND batch.log = ?1 AND batch.kind = upload_cursor.kind
        AND batch.state IN ('sent', 'dead') AND ?2 BETWEEN batch.first_seq AND batch.last_seq
        AND batch.id <= (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'salvage batches ' || ?1)
) FROM upload_cursor
WHERE log = ?1 AND through_seq >= ?2
