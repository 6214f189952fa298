INSERT INTO removed (log, stream, why, blocks, samples) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (log, stream, why) DO UPDATE SET
    blocks = blocks + excluded.blocks,
    samples = samples + excluded.samples
