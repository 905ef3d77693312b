"""What the chapters do: sample, train, measure. One task, one registry of recipes, one way to learn."""
