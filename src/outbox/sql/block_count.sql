SELECT count(*) AS blocks FROM block INDEXED BY block_stream
