SELECT id, cursor FROM log
