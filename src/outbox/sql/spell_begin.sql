INSERT INTO spell (subject, reason, detail, began_us) VALUES (?1, ?2, ?3, ?4) RETURNING id
