UPDATE session SET outcome = 'interrupted' WHERE outcome IS NULL
