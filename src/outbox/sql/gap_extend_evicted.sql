UPDATE gap SET to_seq = ?4, samples = samples + ?5, at_us = ?6
WHERE log = ?1 AND stream = ?2 AND cause = 'evicted' AND to_seq = ?3
