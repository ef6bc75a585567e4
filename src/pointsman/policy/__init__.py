"""Pure mathematics of choosing: features, quality, cost, objective, guarantee. State, time and chance are passed in."""
