"""From images to weights: recipes, the step, the loop, checkpoints, devices, sweeps."""
