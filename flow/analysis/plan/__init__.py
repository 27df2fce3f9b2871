"""What a chip set for a language model would be: area, speed, power, masks, cost and carbon."""
