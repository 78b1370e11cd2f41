"""What is to be learnt: the token, how it is asked for, how answers are scored."""
