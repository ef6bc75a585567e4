"""The ledger read: is it whole, what do its lines come to, what is left of what customers pay.

verify     each line against its hash and its own arithmetic, the chain against a head that was put aside
exporting  lines as CSV or JSON Lines
report     sums by who, what and when
margin     what customers pay, and what is left of it
reconcile  a provider's own count beside the ledger's
"""
