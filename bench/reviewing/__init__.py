"""What bench/review.py measures.

pairs      simulated comparisons: what people say, what a judge says, known truth
powered    estimates from a biased judge and a few people
queue      the order of the queue against random labelling
"""
