"""A provider's own count beside the ledger's, day by day and model by model, and what explains each difference.

billed   what a provider says that it billed: one value a day and model, whatever the export's form
openai, anthropic, tabular   the forms, one reader each
reading  which form a file has
ours     the ledger's own counts of the same
compare  differences and their reasons
"""
