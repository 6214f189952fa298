UPDATE log SET removed_through = max(removed_through, ?2) WHERE id = ?1
