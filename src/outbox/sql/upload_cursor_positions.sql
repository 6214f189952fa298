SELECT kind, through_seq, into_next FROM upload_cursor WHERE sink = ?1 AND log = ?2
