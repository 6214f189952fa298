-- That nowbridge did not run ends as expected when it runs again.
UPDATE spell SET ended_us = max(?1, began_us), interrupted = (subject <> 'nowbridge') WHERE ended_us IS NULL
