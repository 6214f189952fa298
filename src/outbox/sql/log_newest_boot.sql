-- Boots of a host log only ever go up, so the newest block has the newest boot.
SELECT max(
    coalesce((SELECT boot FROM block WHERE log = ?1 ORDER BY seq DESC LIMIT 1), 0),
    coalesce((SELECT max(boot) FROM anchor WHERE log = ?1), 0)
)
