"""What leaven says to a model: a template each, and the phrasebook."""
