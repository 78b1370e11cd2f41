"""Put task rows and other rows together, and say what the mixture will train."""
