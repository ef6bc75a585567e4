"""Evaluations: a file of cases, asked of deployments through the gateway, graded, and written as an outcome table.

case      one case as a frozen value, and what grades its answer
reading   CASES files (JSON Lines, CSV), every mistake with line, reason and remedy
kept      answers by the content of what was asked: nothing is paid for twice
asking    one paid call through the gateway, within the purse
checking  from an answer to a grade: checks, code in a sandbox, a judge
rows      the outcome table that is written, row by row, and taken up again after an interruption
estimate  what an evaluation will cost, before it does
running   all cases and models together
growing   cases proposed from traffic where models disagree
"""
