"""The page, the charts and the tables of a run, made from its files alone."""
