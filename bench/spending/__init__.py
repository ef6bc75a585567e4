"""What ``bench/budgets.py`` is made of: workers that are killed, clients that spend, an upstream that counts."""
