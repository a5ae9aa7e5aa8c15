"""The description: what a net, a loss, an optimizer and a metric are, as frozen data."""
