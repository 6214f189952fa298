SELECT stream, sum(samples) AS samples FROM removed GROUP BY stream
