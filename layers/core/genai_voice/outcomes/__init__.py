"""What conversations come to, and the sums of it for each variant of an experiment."""
