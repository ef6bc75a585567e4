"""A simulated year: the zoo's models and tasks, what happens to them, and who chooses among them.

bank      prompts of the zoo, with what each model's answer would take
world     one year of requests: who is there, what it costs, who is right
bandits   other ways of learning on the job, and the best fixed choices in hindsight
answers   canary prompts, and what models answer to them
ours      Pointsman: the shipped decide, learn and publish on a real store
figures   what it comes to: tables, a picture
"""
