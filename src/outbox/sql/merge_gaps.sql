-- What a salvage could not find.
SELECT gap.id, gap.log, gap.from_seq, gap.to_seq, gap.detail, gap.at_us FROM gap
WHERE cause = 'corrupt' AND detail LIKE 'lost with damaged pages of %' ORDER BY log, from_seq
