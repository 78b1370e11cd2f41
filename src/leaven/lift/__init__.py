"""LIFT, whole: rows in, a small dataset, its audit and the reason for every row out."""
