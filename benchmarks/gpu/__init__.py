"""How many sessions a graphics card carries; runs where little more than PyTorch is installed."""
