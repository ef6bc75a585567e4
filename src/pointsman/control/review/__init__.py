"""A person in the loop: what trials put into the queue, in which order it is asked, and what the answers come to.

intake     from a graded answer to a question with its material; how long that is kept
piles      the questions about one candidate, with all that was said: what is believed, what is estimated
docket     a reviewer's way through the piles: next, say, undo
veil       what a reviewer must not see: whose answer it is, and what a terminal would obey
sheets     questions as a file, and what reviewers wrote into it
people     what people said of candidates, corrected verdicts, agreement, and the time it took

Laws: nothing is kept but what the owner opted into, for as long; people choose and never rewrite; whose answer is whose is
told to nobody before all is said.
"""
