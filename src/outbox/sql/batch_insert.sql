INSERT INTO batch (
    sink, log, kind, first_seq, skip, last_seq, upto, errand,
    anchor_horizon, samples, rows, csv_sha256, idempotency_key, state, created_us
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'open', ?14)
RETURNING id
