"""What would have happened if: the journal decided again under another policy, pool, price list or objective.

question   what is asked, and the world it describes
tally      one stretch of the journal, decided again: sums that add up
graded     what grades and times say of other choices
aim        another objective, resolved on the period's own requests
answer     what people and programs are told

Nobody is called. Who would have answered is worked out exactly, and so is money where the same deployment answered;
elsewhere it is expected, and marked so. Quality and latency are estimated from what chance drew, or there is no answer.
"""
