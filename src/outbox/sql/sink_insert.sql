INSERT INTO sink (name, added_us, since_us) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING
