"""The federation's list: who takes part, signed by whoever runs the federation."""
