"""Methods × sizes × seeds: plan, run, and what the scores can bear to be said."""
