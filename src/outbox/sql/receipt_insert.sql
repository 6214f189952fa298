INSERT INTO receipt (batch, status, body, zip_bytes, at_us) VALUES (?1, ?2, ?3, ?4, ?5)
