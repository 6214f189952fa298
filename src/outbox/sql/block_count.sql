SELECT count(*) AS blocks FROM stream_block
