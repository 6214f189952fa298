SELECT EXISTS (SELECT 1 FROM batch WHERE errand = ?1 AND state = 'dead')
