"""A model's cycles: the planner asked, the stages run, checks and promotions committed."""
