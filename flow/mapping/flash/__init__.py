"""Flash threshold cells: flip-flops with their cones as cells, and the voltages of each cell."""
