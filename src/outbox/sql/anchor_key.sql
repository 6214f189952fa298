SELECT id FROM anchor WHERE log = ?1 AND boot = ?2 AND ticks_us = ?3
