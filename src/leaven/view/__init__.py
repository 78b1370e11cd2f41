"""Reports: what a manager, an engineer and a sceptic each look for, on one page."""
